// How links begin: the node that a client asks for is found or made, the link is put on it, and the client is told what it
// really got. What a link does afterwards is in its own file.

import { DEFAULT_ENVELOPE, isRefusal } from '../../broker/api.ts'
import { Coordinator } from './coordinator.ts'
import { AmqpFault, fault, refusedLink } from './errors.ts'
import { NO_FILTERS } from './filters.ts'
import type { Link, SessionHost } from './hosts.ts'
import { IncomingLink } from './incoming-link.ts'
import { type NodeGround, subscriptionFor, subscriptionName, targetFor } from './nodes.ts'
import { OutgoingLink } from './outgoing-link.ts'
import type { FieldsOf } from './performatives.ts'
import { composites, encodePerformative, performatives } from './performatives.ts'
import type { SenderMemory } from './recovery.ts'
import type { Node } from './terminus.ts'
import {
  coordinatorAnswer,
  echoAnswer,
  isCoordinator,
  readSource,
  readTarget,
  sourceAnswer,
  targetAnswer,
} from './terminus.ts'
import type { Value } from './types.ts'
import { NULL, asBuffer, binary, bool, described, list, map, str, ubyte, uint, ulong } from './types.ts'

export type Attach = FieldsOf<typeof performatives.attach>

const SETTLED_MODE = 1

/** What attaching needs of the session. */
export interface AttachHost extends SessionHost {
  put(link: Link): void
  attachAnswer(f: Attach, source: Value, target: Value, unsettled?: Value): void
}

/** A link that was refused: it holds its handle until the client detaches it. */
export class RefusedLink implements Link {
  readonly open = false
  readonly durable = ''
  readonly name: string
  readonly handle: number
  constructor(name: string, handle: number) {
    this.name = name
    this.handle = handle
  }
  close(): void {}
}

/** A link that brings nothing: its client only wants to know of a subscription, or to take it away. */
class QueryLink implements Link {
  open = true
  readonly durable: string
  readonly name: string
  readonly handle: number
  constructor(name: string, handle: number, durable: string) {
    this.name = name
    this.handle = handle
    this.durable = durable
  }
  close(): void {
    this.open = false
  }
}

const groundOf = ({ connection }: AttachHost): NodeGround => ({
  broker: connection.broker,
  containerId: connection.containerId,
  unique: () => connection.options.unique(),
})

export function attachIncoming(session: AttachHost, f: Attach): AmqpFault | null {
  if (f.initialDeliveryCount === null) return fault('LINK-FIELD', { why: 'a sender gives no initial-delivery-count' })
  if (isCoordinator(f.target)) return attachController(session, f, f.initialDeliveryCount)
  const node = readTarget(f.target, session.connection.limits.nameBytes)
  if (node instanceof AmqpFault) return node
  const found = targetFor(groundOf(session), node)
  if (isRefusal(found)) return refusedLink(found.refused, found.text)
  const memory = memoryOf(session, f, node)
  const link = new IncomingLink(session, f.name, f.handle, found, f.initialDeliveryCount, memory)
  session.put(link)
  const tags = memory === null ? [] : tagsIn(f.unsettled)
  if (f.incompleteUnsettled !== true) memory?.keep(tags)
  const attached = (): void => {
    link.answer = null
    memory?.forgetWaiting(attached)
    const known = tags
      .filter(tag => memory?.accepted(tag))
      .flatMap(tag => [binary(Buffer.from(tag, 'latin1')), ACCEPTED])
    const target = targetAnswer(node, found.name)
    const unsettled = known.length > 0 ? map(known) : NULL
    session.attachAnswer(f, echoAnswer(composites.source.code, f.source), target, unsettled)
    session.atTurn(link)
  }
  link.answer = attached
  if (memory === null) attached()
  else memory.whenKnown(tags, attached)
  return null
}

const ACCEPTED = described(composites.accepted.code, list([]))

/** Of a sender that means to come back, or does (section 2.6.13). */
function memoryOf({ connection }: AttachHost, f: Attach, node: Node): SenderMemory | null {
  const { recovery, identity } = connection.options
  if (recovery === undefined || (!node.comesBack && f.unsettled === null)) return null
  // What was not answered in one reign is not answered in another; and a name may be two users'.
  return recovery.of(
    `${identity.epoch()}\n${connection.guest?.user}\n${connection.containerId}\n${f.name}\n${node.kind}\n${node.address}`,
  )
}

const tagsIn = (unsettled: readonly Value[] | null): string[] =>
  (unsettled ?? []).flatMap((tag, i) =>
    i % 2 === 0 && tag.type === 'binary' ? [asBuffer(tag.value).toString('latin1')] : [],
  )

/** A link that declares and discharges transactions. */
function attachController(session: AttachHost, f: Attach, deliveryCount: number): null {
  const coordinator = new Coordinator(session)
  const outlet = { on: coordinator, name: '', node: coordinator, envelope: DEFAULT_ENVELOPE }
  const link = new IncomingLink(session, f.name, f.handle, outlet, deliveryCount, null)
  coordinator.link = link
  session.put(link)
  session.attachAnswer(f, echoAnswer(composites.source.code, f.source), coordinatorAnswer())
  session.atTurn(link)
  return null
}

export function attachOutgoing(session: AttachHost, f: Attach): AmqpFault | null {
  const node = readSource(f.source, session.connection.limits.nameBytes, f.properties)
  if (node instanceof AmqpFault) return node
  const ground = groundOf(session)
  if (node === null) return query(session, ground, f)
  const link = new OutgoingLink(session, {
    name: f.name,
    handle: f.handle,
    settled: f.sndSettleMode === SETTLED_MODE,
    messageBytes: Number(f.maxMessageSize ?? 0n),
    defaultOutcome: node.defaultOutcome,
    durable: node.durable ? subscriptionName(ground, f.name, node) : '',
  })
  let name = node.address
  link.answer = () => session.attachAnswer(f, sourceAnswer(node, name), echoAnswer(composites.target.code, f.target))
  let isReady = false
  let isOn = false
  // Until the subscription is safe the client does not know that it is attached; it may have detached by then.
  const ready = (): void => {
    isReady = true
    if (isOn) link.attached()
  }
  const found = subscriptionFor(ground, node, f.name, link, ready)
  if (isRefusal(found)) return refusedLink(found.refused, found.text)
  name = found.name
  link.attach(found.on, found.node)
  if (f.unsettled !== null) link.recover(f.unsettled)
  session.put(link)
  isOn = true
  if (isReady) link.attached()
  return null
}

const LOOKED_UP: Omit<Node, 'address'> = {
  kind: 'topic',
  defaultOutcome: { outcome: 'released', undeliverableHere: false },
  durable: true,
  shared: false,
  global: false,
  filters: NO_FILTERS,
  browses: false,
  exclusive: false,
  comesBack: false,
}

/** A receiver without a source asks for the durable subscription of its name, as JMS clients do to take it away. */
function query(session: AttachHost, ground: NodeGround, f: Attach): AmqpFault | null {
  const { broker, containerId } = ground
  const [plain = ''] = f.name.split('|')
  for (const name of [`${containerId}/${f.name}`, `${containerId}/${plain}`, `/${plain}`]) {
    const filter = broker.durableFilter(name)
    if (filter === null) continue
    session.put(new QueryLink(f.name, f.handle, name))
    const source = sourceAnswer({ ...LOOKED_UP, address: filter })
    session.attachAnswer(f, source, echoAnswer(composites.target.code, f.target))
    return null
  }
  return refusedLink('not-found', `there is no durable subscription ${f.name} of this client`)
}

export const encodeAttach = (f: Attach, source: Value, target: Value, messageBytes: number, unsettled: Value): Buffer =>
  encodePerformative(performatives.attach, [
    str(f.name),
    uint(f.handle),
    bool(!f.role),
    ubyte(f.sndSettleMode ?? 2),
    ubyte(0),
    source,
    target,
    unsettled,
    NULL,
    f.role ? uint(0) : NULL,
    ulong(BigInt(messageBytes)),
  ])
