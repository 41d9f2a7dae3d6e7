// What a snapshot says of topics and sessions, after its queues: bindings, sessions, retained messages. Captured at once;
// bodies never change.
//
//   4 BINDING  = as a BOUND record
//   5 SESSION  = id away held... received... session      away = varint, wall ms
//                held, received = their number, and each as a varint
//                session = as a SESSION record, whose id is that of the session
//   6 RETAINED = as a RETAINED record

import { NumberReader, NumberWriter } from './records.ts'
import { encodeRetainedHead, readRetained } from './retained.ts'
import { encodeSession, readSession } from './session-records.ts'
import { SessionState } from './session-state.ts'
import type { State } from './state.ts'
import { encodeBound, readBound } from './topic-records.ts'

const BINDING = 4
const SESSION = 5
const RETAINED = 6

export interface OtherItem {
  readonly type: number
  readonly head: Uint8Array
  readonly body?: Uint8Array
}

export function captureTopics(state: State): OtherItem[] {
  const items: OtherItem[] = []
  for (const queue of state.queues) {
    if (!queue.declared) continue
    for (const [filter, options] of queue.bindings)
      items.push({ type: BINDING, head: Uint8Array.from(encodeBound(queue.id, filter, options)) })
  }
  for (const session of state.sessions.all()) items.push(captureSession(session))
  for (const { topic, envelope, body } of state.retained.all())
    items.push({ type: RETAINED, head: Uint8Array.from(encodeRetainedHead(topic, envelope)), body })
  return items
}

function captureSession({
  id,
  clientId,
  user,
  queue,
  keepMs,
  will,
  awaySince,
  held,
  received,
}: SessionState): OtherItem {
  const numbers = new NumberWriter()
  numbers.begin()
  numbers.put(id)
  numbers.put(Math.floor(awaySince))
  // In their order: two states that are equal give equal snapshots.
  for (const values of [held, received]) {
    numbers.put(values.size)
    for (const value of [...values].sort((a, b) => a - b)) numbers.put(value)
  }
  const [head, body] = encodeSession({ id, queue: queue?.id ?? 0, keepMs, clientId, user, will })
  return { type: SESSION, head: Buffer.concat([numbers.done(), head]), body }
}

/** False where the type is of something else. */
export function restoreTopics(state: State, type: number, content: Uint8Array, fault: (why: string) => Error): boolean {
  const numbers = new NumberReader().begin(content, fault)
  switch (type) {
    case BINDING: {
      const { queue: id, filter, options } = readBound(numbers)
      const queue = state.byId(id)
      if (queue === null) throw fault(`there is no queue ${id} to be bound`)
      queue.bindings.set(filter, options)
      return true
    }
    case SESSION:
      restoreSession(state, numbers, fault)
      return true
    case RETAINED:
      state.retained.put(readRetained(content, fault))
      return true
    default:
      return false
  }
}

function restoreSession(state: State, numbers: NumberReader, fault: (why: string) => Error): void {
  const id = numbers.take()
  const awaySince = numbers.take()
  const [held, received] = [take(numbers, fault), take(numbers, fault)]
  const record = readSession(numbers)
  const queue = record.queue === 0 ? null : state.byId(record.queue)
  if (record.queue !== 0 && queue === null) throw fault(`there is no queue ${record.queue} of a session`)
  const session = new SessionState(id, record.clientId, record.user, queue, record.keepMs, record.will)
  session.awaySince = awaySince
  for (const packetId of held) session.held.add(packetId)
  for (const sequence of received) session.received.add(sequence)
  state.sessions.add(session)
}

function take(numbers: NumberReader, fault: (why: string) => Error): number[] {
  const count = numbers.take()
  if (count > numbers.left) throw fault('an item ends too early')
  return Array.from({ length: count }, () => numbers.take())
}
