// The one client that an order asks for, whatever its protocol.

import { AmqpClient } from './amqp-client.ts'
import type { Figures, LoadOrder, Sender } from './figures.ts'
import { MqttClient } from './mqtt-client.ts'
import { StompClient } from './stomp-client.ts'

/** A client that sends what is acknowledged, or, with a window of 0, one that receives. */
export function clientOf(
  order: Pick<LoadOrder, 'protocol' | 'port' | 'address' | 'user' | 'bodyBytes'>,
  figures: Figures,
  window: number,
  failed: (error: Error) => void,
  clientId = `client-${process.pid}`,
): Sender {
  const receives = window === 0
  switch (order.protocol) {
    case 'amqp':
      return new AmqpClient(order, figures, receives ? 'receiver' : 'sender', window, failed)
    case 'stomp':
      return new StompClient(order, figures, receives, window, failed)
    case 'mqtt': {
      const { port, user, address: topic, bodyBytes } = order
      return new MqttClient({ port, user, topic, bodyBytes, clientId, clean: true, qos: 1, window }, figures, failed)
    }
  }
}
