// The formats of messages that this server knows, introduced to each other: what a client gets of a message that came by
// another protocol.

import { AMQP_FORMAT, type Envelope, MQTT_FORMAT } from '../broker/envelope.ts'
import {
  converterTo,
  type Converter,
  type Format,
  type NeutralMessage,
  type PropertyReader,
  type Readdress,
} from '../broker/neutral.ts'
import { amqpFormat } from '../protocols/amqp/neutral.ts'
import { defaultAmqpLimits, selectedOf } from '../protocols/amqp/front-end.ts'
import { mqttFormat, readdressed } from '../protocols/mqtt/neutral.ts'

const formats = { [AMQP_FORMAT]: amqpFormat(defaultAmqpLimits), [MQTT_FORMAT]: mqttFormat }

/** A message as it is in no protocol; throws where its bytes are not what they should be. */
export const neutralOf = (body: Uint8Array, envelope: Envelope): NeutralMessage => {
  const format = formats[envelope.format as keyof typeof formats] as Format | undefined
  if (format === undefined) throw new Error(`there is no format ${envelope.format}`)
  return format.read(body, envelope)
}

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
