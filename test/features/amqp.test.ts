// What AMQP clients are promised, by a stock client (rhea) on a pair of real processes, straight through and across a kill -9.

import { amqpDoors } from './amqp-doors.ts'
import { amqpLimits } from './amqp-limits.ts'
import { amqpQueues } from './amqp-queues.ts'
import { amqpSafety } from './amqp-safety.ts'
import { amqpTimes } from './amqp-times.ts'
import { amqpTopics } from './amqp-topics.ts'
import { show } from './show.ts'

show('AMQP features of a pair', [amqpQueues, amqpTimes, amqpTopics, amqpSafety, amqpLimits, amqpDoors])
