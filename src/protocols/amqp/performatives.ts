// The wire as a table: every performative, SASL frame, outcome and terminus with its code and fields in their order.
// `!` marks a field that must be there. Decoding checks types and mandatory fields against the table; the three hot
// performatives go past it (in-place.ts, write-frames.ts).

import { fault } from './errors.ts'
import type { Decoder } from './decode.ts'
import { undecodable } from './decode.ts'
import { encode } from './encode.ts'
import type { Value } from './types.ts'
import { NULL, described, list } from './types.ts'

/** What a field becomes here. `symbols` is one symbol or an array of them; `any` stays a value. */
interface Kinds {
  boolean: boolean
  ubyte: number
  ushort: number
  uint: number
  ulong: bigint
  binary: Uint8Array
  string: string
  symbol: string
  symbols: readonly string[]
  map: readonly Value[]
  any: Value
}

type Kind = keyof Kinds
type Shape = Readonly<Record<string, Kind | `${Kind}!`>>

export interface Composite<S extends Shape = Shape> {
  readonly code: number
  readonly name: string
  readonly fields: S
}

export type FieldsOf<C> =
  C extends Composite<infer S>
    ? {
        readonly [K in keyof S]: S[K] extends `${infer M extends Kind}!`
          ? Kinds[M]
          : S[K] extends Kind
            ? Kinds[S[K]] | null
            : never
      }
    : never

// prettier-ignore
export const performatives = {
  open:        { code: 0x10, name: 'amqp:open:list', fields: { containerId: 'string!', hostname: 'string', maxFrameSize: 'uint', channelMax: 'ushort', idleTimeOut: 'uint', outgoingLocales: 'symbols', incomingLocales: 'symbols', offeredCapabilities: 'symbols', desiredCapabilities: 'symbols', properties: 'map' } },
  begin:       { code: 0x11, name: 'amqp:begin:list', fields: { remoteChannel: 'ushort', nextOutgoingId: 'uint!', incomingWindow: 'uint!', outgoingWindow: 'uint!', handleMax: 'uint', offeredCapabilities: 'symbols', desiredCapabilities: 'symbols', properties: 'map' } },
  attach:      { code: 0x12, name: 'amqp:attach:list', fields: { name: 'string!', handle: 'uint!', role: 'boolean!', sndSettleMode: 'ubyte', rcvSettleMode: 'ubyte', source: 'any', target: 'any', unsettled: 'map', incompleteUnsettled: 'boolean', initialDeliveryCount: 'uint', maxMessageSize: 'ulong', offeredCapabilities: 'symbols', desiredCapabilities: 'symbols', properties: 'map' } },
  flow:        { code: 0x13, name: 'amqp:flow:list', fields: { nextIncomingId: 'uint', incomingWindow: 'uint!', nextOutgoingId: 'uint!', outgoingWindow: 'uint!', handle: 'uint', deliveryCount: 'uint', linkCredit: 'uint', available: 'uint', drain: 'boolean', echo: 'boolean', properties: 'map' } },
  transfer:    { code: 0x14, name: 'amqp:transfer:list', fields: { handle: 'uint!', deliveryId: 'uint', deliveryTag: 'binary', messageFormat: 'uint', settled: 'boolean', more: 'boolean', rcvSettleMode: 'ubyte', state: 'any', resume: 'boolean', aborted: 'boolean', batchable: 'boolean' } },
  disposition: { code: 0x15, name: 'amqp:disposition:list', fields: { role: 'boolean!', first: 'uint!', last: 'uint', settled: 'boolean', state: 'any', batchable: 'boolean' } },
  detach:      { code: 0x16, name: 'amqp:detach:list', fields: { handle: 'uint!', closed: 'boolean', error: 'any' } },
  end:         { code: 0x17, name: 'amqp:end:list', fields: { error: 'any' } },
  close:       { code: 0x18, name: 'amqp:close:list', fields: { error: 'any' } },
} as const satisfies Record<string, Composite>

// prettier-ignore
export const saslFrames = {
  mechanisms: { code: 0x40, name: 'amqp:sasl-mechanisms:list', fields: { mechanisms: 'symbols!' } },
  init:       { code: 0x41, name: 'amqp:sasl-init:list', fields: { mechanism: 'symbol!', initialResponse: 'binary', hostname: 'string' } },
  challenge:  { code: 0x42, name: 'amqp:sasl-challenge:list', fields: { challenge: 'binary!' } },
  response:   { code: 0x43, name: 'amqp:sasl-response:list', fields: { response: 'binary!' } },
  outcome:    { code: 0x44, name: 'amqp:sasl-outcome:list', fields: { code: 'ubyte!', additionalData: 'binary' } },
} as const satisfies Record<string, Composite>

// prettier-ignore
export const composites = {
  error:    { code: 0x1d, name: 'amqp:error:list', fields: { condition: 'symbol!', description: 'string', info: 'map' } },
  accepted: { code: 0x24, name: 'amqp:accepted:list', fields: {} },
  rejected: { code: 0x25, name: 'amqp:rejected:list', fields: { error: 'any' } },
  released: { code: 0x26, name: 'amqp:released:list', fields: {} },
  modified: { code: 0x27, name: 'amqp:modified:list', fields: { deliveryFailed: 'boolean', undeliverableHere: 'boolean', messageAnnotations: 'map' } },
  source:   { code: 0x28, name: 'amqp:source:list', fields: { address: 'string', durable: 'uint', expiryPolicy: 'symbol', timeout: 'uint', dynamic: 'boolean', dynamicNodeProperties: 'map', distributionMode: 'symbol', filter: 'map', defaultOutcome: 'any', outcomes: 'symbols', capabilities: 'symbols' } },
  target:   { code: 0x29, name: 'amqp:target:list', fields: { address: 'string', durable: 'uint', expiryPolicy: 'symbol', timeout: 'uint', dynamic: 'boolean', dynamicNodeProperties: 'map', capabilities: 'symbols' } },
} as const satisfies Record<string, Composite>

/** Part 4: the target of those who control transactions, what they say to it, and what it and transactional links answer. */
// prettier-ignore
export const transactions = {
  coordinator:   { code: 0x30, name: 'amqp:coordinator:list', fields: { capabilities: 'symbols' } },
  declare:       { code: 0x31, name: 'amqp:declare:list', fields: { globalId: 'any' } },
  discharge:     { code: 0x32, name: 'amqp:discharge:list', fields: { txnId: 'binary!', fail: 'boolean' } },
  declared:      { code: 0x33, name: 'amqp:declared:list', fields: { txnId: 'binary!' } },
  transactional: { code: 0x34, name: 'amqp:transactional-state:list', fields: { txnId: 'binary!', outcome: 'any' } },
} as const satisfies Record<string, Composite>

/** Symbolic descriptors, which are allowed in place of the numbers. */
export const codesByName: ReadonlyMap<string, number> = new Map(
  [performatives, saslFrames, composites, transactions].flatMap(table =>
    Object.values<Composite>(table).map((c): [string, number] => [c.name, c.code]),
  ),
)

/** The code of a described value; 0 where it is none that is known. */
export const codeOf = (value: Value): number => {
  if (value.type !== 'described') return 0
  const d = value.descriptor
  if (d.type === 'ulong') return d.value < 256n ? Number(d.value) : 0
  return d.type === 'symbol' ? (codesByName.get(d.value) ?? 0) : 0
}

/** Reads the list after the descriptor. */
export const readFields = <C extends Composite>(decoder: Decoder, composite: C): FieldsOf<C> =>
  fieldsOf(composite, decoder.value())

/** The fields of a described value that stands inside another one (source, target, outcome). */
export const fieldsOf = <C extends Composite>(composite: C, value: Value): FieldsOf<C> => {
  const inner = value.type === 'described' ? value.value : value
  if (inner.type !== 'list') throw undecodable(`${composite.name} is not a list`)
  const fields: Record<string, unknown> = {}
  let i = 0
  for (const name in composite.fields) {
    const item = inner.value[i++] ?? NULL
    const declared = composite.fields[name]!
    const mandatory = declared.endsWith('!')
    if (item.type === 'null' && !mandatory) fields[name] = null
    else fields[name] = field((mandatory ? declared.slice(0, -1) : declared) as Kind, item, composite, name)
  }
  if (inner.value.length > i) throw undecodable(`${composite.name} has too many fields`)
  return fields as FieldsOf<C>
}

const field = (kind: Kind, value: Value, composite: Composite, name: string): unknown => {
  if (kind === 'any') return value
  if (value.type === 'null') throw fault('FIELD', { why: `${composite.name} lacks the field ${name}` })
  if (kind === 'symbols') {
    if (value.type === 'symbol') return [value.value]
    if (value.type === 'array' && value.value.every(v => v.type === 'symbol')) return value.value.map(v => v.value)
  } else if (value.type === kind) return value.value
  throw undecodable(`the field ${name} of ${composite.name} must be a ${kind}, not a ${value.type}`)
}

/** The encoded performative; `values` in the order of the table, trailing ones may be left out. */
export const encodePerformative = (composite: Composite, values: readonly Value[]): Buffer =>
  encode(described(composite.code, list(values)))
