// What an operator may see of the broker, as plain data.

import type { Queue } from './queue.ts'
import type { State } from './state.ts'

export interface QueueStatus {
  /** The sequence of the record that declared it. */
  readonly id: number
  readonly name: string
  /** Messages in the queue, delivered ones included; without those whose record is not known to be safe. */
  readonly messages: number
  readonly bytes: number
  /** Of `messages` those that are not in memory. */
  readonly pagedMessages: number
  /** Published, the record not known to be safe yet. */
  readonly pending: number
  /** Not to be delivered yet, and not among `messages`. */
  readonly delayed: number
  /** Delivered and not settled. */
  readonly unsettled: number
  readonly consumers: number
}

export interface TopicStatus {
  /** MQTT sessions that outlive their connections or have a will. */
  readonly sessions: number
  /** Subscriptions that outlive their connections: of sessions, and durable ones of AMQP. */
  readonly subscriptions: number
  readonly retainedMessages: number
  readonly retainedBytes: number
  /** Who hears what is published at once, on the server that serves. */
  readonly listeners: number
  /** Messages that are not to be published yet. */
  readonly delayed: number
  /** Messages that did not go into the full queue of a subscriber, since this process began. */
  readonly overflowed: number
}

/** What became of messages that no consumer took, since this server was started. */
export interface UpkeepStatus {
  /** Not to be delivered yet: of queues and topics. */
  readonly delayed: number
  /** Their time was over. */
  readonly expired: number
  /** They were put where dead letters go. */
  readonly deadLettered: number
  /** They made room for newer ones. */
  readonly discarded: number
  /** They wait for room, without an answer to their producers. */
  readonly held: number
}

export interface BrokerStatus {
  readonly serving: boolean
  /** The record up to which the state speaks. */
  readonly sequence: number
  readonly connections: number
  readonly messages: number
  /** As the limits count them. */
  readonly bytes: number
  /** Of `bytes` what is in memory. */
  readonly residentBytes: number
  /** The memory that bodies share, with what is wasted of it. */
  readonly pageBytes: number
  /** Messages that are not in memory, and by how much they would be more there. */
  readonly pagedMessages: number
  readonly pagedBytes: number
  /** Why nothing can be paged out; '' where all is well. */
  readonly pagingTrouble: string
  /** Those with a name; what belongs to sessions and subscriptions is under `topics`. */
  readonly queues: readonly QueueStatus[]
  readonly topics: TopicStatus
  readonly upkeep: UpkeepStatus
}

/** What the status asks of a queue's subscriptions. */
export interface Seats extends Iterable<{ readonly unsettled: number }> {
  readonly size: number
}

export const NOBODY: Seats = new Set<never>()

export function queueStatus(queue: Queue, subscriptions: Seats): QueueStatus {
  let unsettled = 0
  for (const subscription of subscriptions) unsettled += subscription.unsettled
  return {
    id: queue.id,
    name: queue.name,
    messages: queue.line.count,
    bytes: queue.bytes,
    pagedMessages: queue.line.blocks.pagedMessages,
    pending: queue.pendingMessages,
    delayed: queue.delayedMessages,
    unsettled,
    consumers: subscriptions.size,
  }
}

/** What the state says of itself, with the subscriptions of each queue. */
export function stateStatus(
  { sequence, holdings, queues: all, sessions, retained, delayedTopics }: State,
  seats: (queue: Queue) => Seats,
  { listeners, overflowed }: Pick<TopicStatus, 'listeners' | 'overflowed'>,
  counts: Omit<UpkeepStatus, 'delayed' | 'held'>,
  { messages: held }: { readonly messages: number },
): Omit<BrokerStatus, 'serving' | 'connections'> {
  const queues: QueueStatus[] = []
  let bound = 0
  const later = (delayedTopics?.line.count ?? 0) + (delayedTopics?.pendingMessages ?? 0)
  let delayed = later
  for (const queue of all) {
    bound += queue.bindings.size
    if (queue.hidden) continue
    delayed += queue.delayedMessages
    queues.push(queueStatus(queue, seats(queue)))
  }
  return {
    sequence,
    messages: holdings.messages,
    bytes: holdings.bytes,
    residentBytes: holdings.residentBytes,
    pageBytes: holdings.bodies.pageBytes,
    pagedMessages: holdings.pagedMessages,
    pagedBytes: holdings.pagedBytes,
    pagingTrouble: holdings.pager?.trouble ?? '',
    queues,
    topics: {
      sessions: sessions.count,
      subscriptions: bound,
      retainedMessages: retained.count,
      retainedBytes: retained.bytes,
      delayed: later,
      listeners,
      overflowed,
    },
    upkeep: { delayed, held, ...counts },
  }
}
