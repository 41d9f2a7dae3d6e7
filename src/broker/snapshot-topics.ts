// What a snapshot says of topics and sessions, after its queues: bindings, sessions, retained messages; and of duplicate
// detection. Captured at once; bodies and identifiers never change.
//
//   4 BINDING  = as a BOUND record
//   5 SESSION  = id away held... received... session      away = varint, wall ms
//                held, received = their number, and each as a varint
//                session = as a SESSION record, whose id is that of the session
//   6 RETAINED = as a RETAINED record
//   7 KNOWN    = count (queue topic id came)...            identifiers of messages, in the order of their records
//                queue = varint, 0 for a topic             topic (only then), id = length varint, UTF-8
//                came = varint, wall ms

import type { KnownId } from './duplicate-ids.ts'
import { NumberReader, NumberWriter } from './records.ts'
import { encodeRetainedHead, readRetained } from './retained.ts'
import { encodeSession, readSession } from './session-records.ts'
import { SessionState } from './session-state.ts'
import type { State } from './state.ts'
import { encodeBound, readBound } from './topic-records.ts'

const BINDING = 4
const SESSION = 5
const RETAINED = 6
const KNOWN = 7
/** Identifiers in one item. */
const KNOWN_PER_ITEM = 1000

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
  const known = state.duplicates.all()
  for (let from = 0; from < known.length; from += KNOWN_PER_ITEM)
    items.push(new CapturedIds(known.slice(from, from + KNOWN_PER_ITEM)))
  return items
}

/** There may be many: they are encoded when it is their turn. */
class CapturedIds implements OtherItem {
  readonly type = KNOWN
  readonly #ids: readonly KnownId[]

  constructor(ids: readonly KnownId[]) {
    this.#ids = ids
  }

  get head(): Uint8Array {
    const numbers = new NumberWriter()
    numbers.begin()
    numbers.put(this.#ids.length)
    for (const { address, id, cameAt } of this.#ids) {
      numbers.put(typeof address === 'number' ? address : 0)
      if (typeof address === 'string') numbers.text(address)
      numbers.text(id)
      numbers.put(cameAt)
    }
    return numbers.done()
  }
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
    case KNOWN:
      for (let left = numbers.take(); left > 0; left--) {
        const queue = numbers.take()
        const address = queue > 0 ? queue : numbers.text()
        state.duplicates.restore({ address, id: numbers.text(), cameAt: numbers.take() })
      }
      if (numbers.left > 0) throw fault('an item is too long')
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
