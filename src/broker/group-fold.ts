// How a transaction's record changes the state, wherever it is not known beforehand: on the follower and after a restart.
// Everything that it speaks of is found before the first message is touched: a record that cannot be folded changes nothing.

import type { RecordView } from '../journal/commit.ts'
import type { DuplicateIds } from './duplicate-ids.ts'
import { keptEnvelope } from './envelope.ts'
import { decodeGroup } from './group-records.ts'
import type { Message } from './message.ts'
import { decodeMessage } from './message-record.ts'
import type { Queue } from './queue.ts'
import { type DecodedRanges, decodeRanges, MESSAGE, recordFault, ROUTED, SETTLED } from './records.ts'
import { topicOf } from './topic-fold.ts'
import { decodeRouted } from './topic-records.ts'

export interface GroupState {
  readonly duplicates: DuplicateIds
  byId(id: number): Queue | null
}

export function foldGroup(state: GroupState, record: RecordView): void {
  const found = new Set<Message>()
  const acts = decodeGroup(record).map(part => plan(state, part, found))
  for (const act of acts) act()
}

/** What one part will do. `found`: what the parts before it settle. */
function plan(state: GroupState, part: RecordView, found: Set<Message>): () => void {
  const { sequence, kind } = part
  const queueOf = (id: number): Queue => {
    const queue = state.byId(id)
    if (queue === null) throw recordFault(sequence, kind, `there is no queue ${id}`)
    return queue
  }
  if (kind === MESSAGE) {
    const { queue: id, envelope, body } = decodeMessage(part)
    const queue = withPlace(queueOf(id), part)
    return () => {
      queue.put(sequence, body, 0, keptEnvelope(envelope))
      const { duplicateId, cameAt } = envelope
      if (duplicateId !== '') state.duplicates.add(queue.addressOf(envelope), duplicateId, cameAt)
    }
  }
  if (kind === ROUTED) {
    const { queues: ids, grades, envelope, body } = decodeRouted(part)
    if (envelope.session > 0) throw recordFault(sequence, kind, 'a message of a transaction is of no session')
    const queues = ids.map(id => withPlace(queueOf(id), part))
    return () => {
      queues.forEach((queue, i) => queue.put(sequence, body, 0, keptEnvelope(envelope), grades[i]))
      const { duplicateId, cameAt } = envelope
      if (duplicateId !== '') state.duplicates.add(topicOf(body, envelope), duplicateId, cameAt)
    }
  }
  const ranges = decodeRanges(part)
  const queue = queueOf(ranges.queue)
  const messages = messagesIn(queue, ranges, part)
  for (const message of messages) {
    if (found.has(message)) throw recordFault(sequence, kind, 'it settles a message twice')
    found.add(message)
  }
  return () => {
    for (const message of messages)
      if (kind === SETTLED) queue.remove(message)
      else queue.comeBack(message)
  }
}

/** The queue, where the message's place in it is the last one. */
function withPlace(queue: Queue, { sequence, kind }: RecordView): Queue {
  if (sequence > queue.line.lastSequence) return queue
  throw recordFault(sequence, kind, `the place ${sequence} in the queue ${queue.name} is taken`)
}

/** All messages that a record of settlements speaks of. */
export function messagesIn(queue: Queue, { bounds, count }: DecodedRanges, record: RecordView): Message[] {
  const found: Message[] = []
  for (let i = 0; i < bounds.length; i += 2) {
    queue.line.visitRange(bounds[i] as number, bounds[i + 1] as number, message => found.push(message))
  }
  if (found.length === count) return found
  const why = `it speaks of ${count} messages of the queue ${queue.name} and ${found.length} are there`
  throw recordFault(record.sequence, record.kind, why)
}
