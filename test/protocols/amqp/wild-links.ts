// What clients that do as they please know of their links, deliveries and transactions, and the nodes they ask for.

import { encode } from '../../../src/protocols/amqp/encode.ts'
import { encodePerformative, performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import {
  array,
  binary,
  bool,
  described,
  list,
  map,
  NULL,
  str,
  sym,
  ubyte,
  uint,
} from '../../../src/protocols/amqp/types.ts'
import type { Choice } from './wild-book.ts'
import { client, frame } from './wire.ts'

export const [ACCEPTED, REJECTED, RELEASED, MODIFIED, DECLARED, WITHIN] = [0x24, 0x25, 0x26, 0x27, 0x33, 0x34] as const
export const TOPICS = ['a', 'a/b'] as const
/** What a client that keeps to the standard may be told: what is not there, has no room, went away, or timed out. */
export const NO_BLAME: ReadonlySet<string> = new Set([
  'amqp:not-found', 'amqp:resource-limit-exceeded', 'amqp:resource-deleted', 'amqp:link:stolen',
  'amqp:link:detach-forced', 'amqp:connection:forced', 'amqp:transaction:rollback', 'amqp:transaction:timeout',
]) // prettier-ignore

export const said = (value: Value): Buffer => encode(described(0x77, value))
export const within = (txn: Buffer, outcome: Value): Value => described(WITHIN, list([binary(txn), outcome]))
export const partsOf = (value: Value | undefined): [code: number, fields: readonly Value[]] =>
  value?.type === 'described' && value.descriptor.type === 'ulong' && value.value.type === 'list'
    ? [Number(value.descriptor.value), value.value.value]
    : [-1, []]

/** All of it happens, or nothing. */
export interface Transaction {
  readonly id: Buffer
  readonly link: Link
  /** As far as its client knows: what it asked for, and what the answer was. */
  state: 'open' | 'committing' | 'failing' | 'committed' | 'rolled back'
  /** Numbers of messages that do not go by themselves. */
  readonly sent: string[]
  readonly taken: Delivery[]
}

export interface Link {
  readonly channel: number
  readonly handle: number
  readonly name: string
  readonly sends: boolean
  readonly kind: 'queue' | 'topic' | 'dynamic' | 'relay' | 'coordinator'
  readonly address: string
  readonly settled: boolean
  /** It browses: what it says of messages does not count. */
  copies: boolean
  /** As long as we have not detached it. */
  open: boolean
  attached: boolean
  credit: number
  count: number
  /** What is coming on it, and its bytes so far. */
  comes: Delivery | null
  parts: Buffer[]
}

export interface Delivery {
  readonly link: Link
  readonly tag: Buffer
  number: string
  complete: boolean
  /** The delivery-count it came with. */
  count: number
  /** We have settled it. */
  settled: boolean
  /** What we said of it out of transactions, without settling it. */
  state: Value
  transaction: Transaction | null
  /** What we said of it first, in that or out of it; MODIFIED: that it failed. */
  outcome: number
  /** It may count as failed; in which reign it is known to, or ALWAYS. */
  mayFail: boolean
  failedIn: number
}

export const ALWAYS = Infinity

/** Of a delivery whose link is gone. */
export interface Left {
  readonly tag: Buffer
  readonly state: Value
  readonly number: string
}

export interface Session {
  /** Ours, of transfers sent, and of frames received. */
  nextId: number
  received: number
  readonly deliveries: Map<number, Delivery>
  /** What we sent and have no answer for. */
  readonly unanswered: Map<number, (state: Value | undefined) => void>
}

export function targetOf({ kind, address }: Link, choice: Choice): Value {
  if (kind === 'coordinator') return described(0x30, list([array([sym('amqp:local-transactions')])]))
  if (kind === 'dynamic') return described(0x29, list([NULL, NULL, NULL, NULL, bool(true)]))
  if (kind === 'relay') return described(0x29, list([]))
  return described(0x29, list([str(kind === 'topic' ? `topic://${address}` : address), uint(choice.of([0, 2]))]))
}

export function sourceOf(link: Link, durable: boolean, choice: Choice): Value {
  const { kind, address } = link
  const filter =
    choice.below(5) === 0
      ? map([sym('f'), described(0x468c00000004, str(choice.of(['JMSPriority > 4', "c = 'x'"])))])
      : NULL
  const copies = kind === 'queue' && choice.below(6) === 0
  link.copies = copies
  const sole = kind === 'queue' && choice.below(6) === 0 ? '?consumer.exclusive=true' : ''
  const shared = kind === 'topic' && choice.below(3) === 0 ? ['shared', 'global'].slice(0, 1 + choice.below(2)) : []
  const modified = described(MODIFIED, list([bool(true), bool(false)]))
  return described(
    0x28,
    list([
      kind === 'dynamic' ? NULL : str(kind === 'topic' ? `topic://${address}` : address + sole),
      uint(durable ? 2 : 0), NULL, NULL, bool(kind === 'dynamic'), NULL, copies ? sym('copy') : NULL,
      kind === 'dynamic' || durable ? NULL : filter, choice.below(3) === 0 ? modified : NULL, NULL,
      shared.length > 0 ? array(shared.map(sym)) : NULL,
    ]), // prettier-ignore
  )
}

export function attachOf({ channel, handle, name, sends, settled }: Link, theirs: Value, unsettled: Value): Buffer {
  const ours = described(sends ? 0x28 : 0x29, list([]))
  const head = [str(name), uint(handle), bool(!sends), ubyte(settled ? 1 : 2), ubyte(0)]
  const ends = sends ? [ours, theirs] : [theirs, ours]
  return frame(channel, encodePerformative(p.attach, [...head, ...ends, unsettled, NULL, sends ? uint(0) : NULL]))
}

/** A transfer in several frames; one that is aborted has its first and its last. */
export function piecesOf(
  handle: number,
  id: number,
  bytes: Buffer,
  o: NonNullable<Parameters<typeof client.transfer>[3]>,
  aborts: boolean,
): Buffer[] {
  const { channel = 0, settled = false } = o
  const cut = Math.min(bytes.length >> 1, 3000)
  const all = [client.transfer(handle, id, bytes.subarray(0, cut), { ...o, more: true })]
  if (aborts) return [...all, client.transfer(handle, null, Buffer.alloc(0), { channel, aborted: true })]
  for (let at = cut; at < bytes.length; at += 3000) {
    const more = at + 3000 < bytes.length
    all.push(client.transfer(handle, null, bytes.subarray(at, at + 3000), { channel, settled, more }))
  }
  return all
}

/** Its messages are one consumer's at a time. */
export const owns = ({ kind, copies }: Link): boolean => kind === 'queue' && !copies

/** A transaction has it, which is not known to be over. */
export const isEnlisted = ({ transaction }: Delivery): boolean =>
  transaction !== null && transaction.state !== 'committed' && transaction.state !== 'rolled back'

/** It may be delivered anew, to whomever. */
export function isFree({ transaction, settled, state, link }: Delivery): boolean {
  switch (transaction?.state) {
    case 'open':
      return false
    case 'committing':
    case 'committed':
      return true
    default:
      return settled || state !== NULL || !link.open
  }
}

/** With it a message leaves its queue; from `q` what is rejected goes to where dead letters are. */
export const loses = ({ address }: Link, outcome: number): boolean =>
  outcome === ACCEPTED || (outcome === REJECTED && address !== 'q')
