// Sources and targets: which queue or topic a client means by the one it asks for, what of its wishes cannot be had, and what the
// answer says. A wish that would silently change which messages somebody gets is refused, not ignored.

import { TOPIC_SCHEME, type Outcome } from '../../broker/api.ts'
import { AmqpFault, fault } from './errors.ts'
import { type Filters, filtersAnswer, NO_FILTERS, readFilters } from './filters.ts'
import { codeOf, composites, fieldsOf, transactions } from './performatives.ts'
import type { Value } from './types.ts'
import { NULL, array, bool, described, list, str, sym, uint } from './types.ts'

const QUEUE_SCHEME = 'queue://'

/** What becomes of a delivery that the client settles without saying how. */
export interface DefaultOutcome {
  readonly outcome: Outcome
  readonly undeliverableHere: boolean
}

export interface Node {
  /** Name of a queue or topic, or a topic filter; '' for a node that is made for the link. */
  readonly address: string
  readonly kind: 'queue' | 'topic' | 'dynamic' | 'relay'
  readonly defaultOutcome: DefaultOutcome
  /** A subscription to a topic that outlives its link. */
  readonly durable: boolean
  /** Several links may consume one subscription to a topic. */
  readonly shared: boolean
  /** Its name is the same for all clients. */
  readonly global: boolean
  readonly filters: Filters
  /** Messages of a queue are shown, and stay in it (distribution mode copy). */
  readonly browses: boolean
  /** Nobody else gets messages of the queue while this link is there. */
  readonly exclusive: boolean
  /** Of a target: the client means to come back to it, with what it has no answer for (section 3.5.4). */
  readonly comesBack: boolean
}

const RELEASED: DefaultOutcome = { outcome: 'released', undeliverableHere: false }

export const outcomeOf = (state: number, deliveryFailed: boolean): Outcome | null => {
  if (state === composites.accepted.code) return 'accepted'
  if (state === composites.rejected.code) return 'rejected'
  if (state === composites.released.code) return 'released'
  // Modified without a failed delivery gives the message back as it was.
  if (state === composites.modified.code) return deliveryFailed ? 'modified' : 'released'
  return null
}

const readDefault = (value: Value | null): DefaultOutcome => {
  if (value === null) return RELEASED
  const code = codeOf(value)
  if (code !== composites.modified.code)
    return { outcome: outcomeOf(code, false) ?? 'released', undeliverableHere: false }
  const modified = fieldsOf(composites.modified, value)
  return {
    outcome: modified.deliveryFailed === true ? 'modified' : 'released',
    undeliverableHere: modified.undeliverableHere === true,
  }
}

type Place = Pick<Node, 'address' | 'kind'>

/** `topic://a/b` or the capability `topic` for a topic; `queue://a` or a plain name for a queue. */
export function placeOf(address: string, capabilities: readonly string[] | null): Place {
  if (address.startsWith(TOPIC_SCHEME)) return { address: address.slice(TOPIC_SCHEME.length), kind: 'topic' }
  if (address.startsWith(QUEUE_SCHEME)) return { address: address.slice(QUEUE_SCHEME.length), kind: 'queue' }
  const kind = capabilities?.some(one => one === 'topic' || one === 'temporary-topic') === true ? 'topic' : 'queue'
  return { address, kind }
}

const readPlace = (
  address: string | null,
  dynamic: boolean | null,
  capabilities: readonly string[] | null,
  most: number,
): Place | AmqpFault | null => {
  if (dynamic === true) return { address: '', kind: 'dynamic' }
  if (address === null || address === '') return null
  if (Buffer.byteLength(address) > most) return fault('LINK-FIELD', { why: `an address is longer than ${most} bytes` })
  return placeOf(address, capabilities)
}

const PLAIN = {
  durable: false,
  shared: false,
  global: false,
  filters: NO_FILTERS,
  browses: false,
  exclusive: false,
  comesBack: false,
}

/** As ActiveMQ's clients say it with the name of a queue; over JMS a client has no other way. */
const EXCLUSIVE = '?consumer.exclusive=true'

/** A link property that is true. */
const asksFor = (properties: readonly Value[] | null, name: string): boolean => {
  for (let i = 0; properties !== null && i + 1 < properties.length; i += 2) {
    const [key, value] = [properties[i] as Value, properties[i + 1] as Value]
    if (key.type === 'symbol' && key.value === name) return value.type === 'boolean' && value.value
  }
  return false
}

/** null: no source at all, to ask for the subscription of this name or to take it away. */
export const readSource = (
  value: Value | null,
  nameBytes: number,
  properties: readonly Value[] | null = null,
): Node | AmqpFault | null => {
  if (value === null || value.type === 'null') return null
  if (codeOf(value) !== composites.source.code) {
    return fault('NOT-IMPLEMENTED', { what: 'a source that is not a queue or topic' })
  }
  const source = fieldsOf(composites.source, value)
  const { capabilities } = source
  const exclusive = source.address?.endsWith(EXCLUSIVE) === true
  const address = exclusive ? (source.address as string).slice(0, -EXCLUSIVE.length) : source.address
  const place = readPlace(address, source.dynamic, capabilities, nameBytes)
  if (place === null) return fault('NOT-IMPLEMENTED', { what: 'a source without an address' })
  if (place instanceof AmqpFault) return place
  const filters = readFilters(source.filter, place.kind)
  if (filters instanceof AmqpFault) return filters
  // Section 3.5.3: how much of the terminus outlives its link, and when its time begins to run.
  const durable = place.kind === 'topic' && ((source.durable ?? 0) > 0 || source.expiryPolicy === 'never')
  return {
    ...place,
    defaultOutcome: readDefault(source.defaultOutcome),
    durable,
    shared: capabilities?.includes('shared') === true,
    global: capabilities?.includes('global') === true,
    filters,
    browses: place.kind === 'queue' && source.distributionMode === 'copy',
    exclusive: place.kind === 'queue' && (exclusive || asksFor(properties, 'exclusive')),
    comesBack: false,
  }
}

export const readTarget = (value: Value | null, nameBytes: number): Node | AmqpFault => {
  if (value === null || codeOf(value) !== composites.target.code) {
    return fault('NOT-IMPLEMENTED', { what: 'a target that is not a queue or topic' })
  }
  const target = fieldsOf(composites.target, value)
  const place = readPlace(target.address, target.dynamic, target.capabilities, nameBytes)
  if (place instanceof AmqpFault) return place
  const { durable, timeout, expiryPolicy } = target
  const comesBack = (durable ?? 0) > 0 || (timeout ?? 0) > 0 || expiryPolicy === 'never'
  return { ...(place ?? { address: '', kind: 'relay' }), defaultOutcome: RELEASED, ...PLAIN, comesBack }
}

export const isCoordinator = (target: Value | null): boolean =>
  target !== null && codeOf(target) === transactions.coordinator.code

/** What JMS clients look for; transactions are known in all sessions of their connection, and a session may have several. */
export const coordinatorAnswer = (): Value =>
  described(transactions.coordinator.code, list([array(TRANSACTION_CAPABILITIES.map(sym))]))

const TRANSACTION_CAPABILITIES = ['amqp:local-transactions', 'amqp:multi-txns-per-ssn', 'amqp:multi-ssns-per-txn']

const OUTCOMES = [composites.accepted, composites.rejected, composites.released, composites.modified]
const NEVER = sym('never')
const LINK_DETACH = sym('link-detach')

/** As it is said in an answer: a topic by its scheme, for clients that gave only a capability. */
const addressValue = ({ kind, address }: Place): Value =>
  kind === 'relay' ? NULL : str(kind === 'topic' ? TOPIC_SCHEME + address : address)

const capabilitiesOf = ({ kind, shared, global }: Node): Value =>
  array([
    sym(kind === 'topic' ? 'topic' : 'queue'),
    ...(shared ? [sym('shared')] : []),
    ...(global ? [sym('global')] : []),
  ])

/** The source as it really is, for the answer; `name`: of a node that was made for the link. */
export const sourceAnswer = (node: Node, name = node.address): Value =>
  described(
    composites.source.code,
    list([
      addressValue({ ...node, address: name }),
      uint(node.durable ? 2 : 0),
      node.durable ? NEVER : LINK_DETACH,
      NULL,
      bool(node.kind === 'dynamic'),
      NULL,
      sym(node.kind === 'topic' || node.browses ? 'copy' : 'move'),
      filtersAnswer(node.filters),
      NULL,
      array(OUTCOMES.map(o => sym(o.name))),
      capabilitiesOf(node),
    ]),
  )

export const targetAnswer = (node: Node, name = node.address): Value =>
  described(
    composites.target.code,
    list([
      addressValue({ ...node, address: name }),
      NULL,
      NULL,
      NULL,
      bool(node.kind === 'dynamic'),
      NULL,
      capabilitiesOf(node),
    ]),
  )

/** The client's own end, as it gave it: its address is all that is said again. */
export const echoAnswer = (code: number, value: Value | null): Value => {
  const fields = value?.type === 'described' && value.value.type === 'list' ? value.value.value : []
  return described(code, list(fields[0]?.type === 'string' ? [fields[0]] : []))
}

/** Long enough for a sentence, short enough for the smallest frame. */
const DESCRIPTION_CHARS = 300

export const errorValue = (condition: string, description: string, info: Value = NULL): Value =>
  described(composites.error.code, list([sym(condition), str(description.slice(0, DESCRIPTION_CHARS)), info]))
