// The formats of messages that this server knows, introduced to each other: what a client gets of a message that came by
// another protocol.

import { AMQP_FORMAT, MQTT_FORMAT } from '../broker/envelope.ts'
import { converterTo, type Converter, type PropertyReader, type Readdress } from '../broker/neutral.ts'
import { amqpFormat } from '../protocols/amqp/neutral.ts'
import { defaultAmqpLimits, selectedOf } from '../protocols/amqp/front-end.ts'
import { mqttFormat, readdressed } from '../protocols/mqtt/neutral.ts'

const formats = { [AMQP_FORMAT]: amqpFormat(defaultAmqpLimits), [MQTT_FORMAT]: mqttFormat }

export const toAmqp = (): Converter => converterTo(AMQP_FORMAT, formats)
export const toMqtt = (): Converter => converterTo(MQTT_FORMAT, formats)

/** A message of MQTT begins with its topic. */
export const readdress: Readdress = (body, { format }, topic) =>
  format === MQTT_FORMAT ? readdressed(body, topic) : body

/** What selectors judge: a message of another protocol has the properties that an AMQP client would see. */
export const propertyReader = (): PropertyReader => {
  const convert = toAmqp()
  return (body, envelope) => selectedOf(convert(body, envelope))
}
