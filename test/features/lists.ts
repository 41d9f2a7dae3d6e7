// Every feature that is shown, in the order of docs/features.md, which is printed from this.

import { amqpDoors } from './amqp-doors.ts'
import { amqpLimits } from './amqp-limits.ts'
import { amqpQueues } from './amqp-queues.ts'
import { amqpTimes } from './amqp-times.ts'
import { amqpTopics } from './amqp-topics.ts'
import { amqpSafety } from './amqp-safety.ts'
import type { FeatureList } from './feature.ts'
import { mqttDelivery } from './mqtt-delivery.ts'
import { mqttPackets } from './mqtt-packets.ts'
import { mqttSessions } from './mqtt-sessions.ts'
import { mqttTopics } from './mqtt-topics.ts'
import { mqttWays } from './mqtt-ways.ts'
import { security } from './security.ts'

export const featureLists: readonly FeatureList[] = [
  amqpQueues,
  amqpTimes,
  amqpTopics,
  amqpSafety,
  amqpLimits,
  amqpDoors,
  mqttDelivery,
  mqttTopics,
  mqttPackets,
  mqttSessions,
  mqttWays,
  security,
]

/** One row to a feature. */
export function featureTable(): string {
  const rows = featureLists.flatMap(({ file, features }) =>
    features.map(({ name, of, promise, more }) => {
      const title = more === undefined ? name : `[${name}](${more})`
      return `| ${title} | ${of} | ${promise} | [${file}](../test/features/${file}.ts) |`
    }),
  )
  return ['| feature | protocol | what holds across a failover | test |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  )
}
