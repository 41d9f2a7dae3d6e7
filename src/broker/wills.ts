// The will of a client that is gone: an ordinary message to its topic, published by the server that serves.

import { MQTT_ENVELOPE } from './envelope.ts'
import type { RecordGround } from './record-ground.ts'
import type { Refusal } from './refusal.ts'
import type { Seat } from './seat.ts'
import type { TopicTarget } from './topic-target.ts'

export interface WillGround extends Pick<RecordGround, 'clock' | 'crowded'> {
  topicTarget(topic: string): TopicTarget
}

/**
 * Publishes it, where there is one. False where the log takes no record now: it stays, to be published later. What its topic
 * refuses for other reasons is gone, as it is for any publisher of QoS 0.
 */
export function publishWill(ground: WillGround, seat: Seat): boolean {
  const { will } = seat
  if (will === null) return true
  const { qos, retain, expiryMs } = will
  const expiresAt = expiryMs === 0 ? 0 : ground.clock.wall() + expiryMs
  const envelope = { ...MQTT_ENVELOPE, qos, retain, expiresAt }
  let isTaken = true
  // Refusals come before `publish` returns.
  const producer = { published: (_: number, refusal: Refusal | null) => void (isTaken &&= refusal === null) }
  ground.topicTarget(will.topic).publish(will.body, producer, 0, envelope)
  if (!isTaken && ground.crowded) return false
  seat.will = null
  seat.unrecorded = true
  return true
}
