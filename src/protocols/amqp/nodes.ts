// From the node that a client asks for to what the broker has: queues, topics, durable subscriptions under the names that
// their clients give them, queues made for one link, and the relay that looks at each message.

import type {
  Broker,
  Consumer,
  Envelope,
  PublishTarget,
  QueueWish,
  Refusal,
  Subscription,
  TemporaryQueue,
} from '../../broker/api.ts'
import { DEFAULT_ENVELOPE, isRefusal, TEMPORARY_PREFIX, TOPIC_SCHEME } from '../../broker/api.ts'
import { Relay } from './relay.ts'
import type { Node } from './terminus.ts'

export interface NodeGround {
  readonly broker: Broker
  /** Name of the client: two connections with the same one are the same client. */
  readonly containerId: string
  /** A name that nobody can guess. */
  unique(): string
}

/** What a link stands on; `name` is what it is called, `node` what was made for it and goes with it. */
export interface Standing<T> {
  readonly on: T
  readonly name: string
  readonly node: TemporaryQueue | null
}

/** What a producer's messages go to, and what is said of them. */
export interface Outlet extends Standing<PublishTarget> {
  readonly envelope: Envelope
}

/**
 * The number of a client in `Envelope.publisher`, the same on both servers: 47 bits mixed from its container id, above the
 * numbers of sessions.
 */
function publisherOf({ containerId }: NodeGround): number {
  let high = 0x811c_9dc5
  let low = 0x1b87_3593
  for (const byte of Buffer.from(containerId)) {
    high = Math.imul(high ^ byte, 0x0100_0193)
    low = Math.imul(low ^ byte ^ (high >>> 15), 0x85eb_ca6b)
  }
  return 2 ** 47 + (high >>> 0) * 2 ** 15 + (low >>> 17)
}

const made = (ground: NodeGround): Standing<string> | Refusal => {
  const name = `${TEMPORARY_PREFIX}${ground.unique()}`
  const node = ground.broker.temporary(name)
  return isRefusal(node) ? node : { on: name, name, node }
}

export function targetFor(ground: NodeGround, { kind, address }: Node): Outlet | Refusal {
  const { broker } = ground
  // Who published it matters to topics only.
  const envelope =
    kind === 'topic' || kind === 'relay' ? { ...DEFAULT_ENVELOPE, publisher: publisherOf(ground) } : DEFAULT_ENVELOPE
  if (kind === 'relay') return { on: new Relay(broker), name: '', node: null, envelope }
  const own = kind === 'dynamic' ? made(ground) : null
  if (own !== null && isRefusal(own)) return own
  const name = own?.name ?? address
  const on = broker.target(kind === 'topic' ? TOPIC_SCHEME + name : name)
  if (!isRefusal(on)) return { on, name, node: own?.node ?? null, envelope }
  own?.node?.close()
  return on
}

/** JMS clients put what they need to tell their links apart behind the name: `name|2`. */
const plainName = (link: string): string => (link.split('|')[0] as string) || link

/** Under which name the broker has a durable subscription of this link. */
export const subscriptionName = ({ containerId }: NodeGround, link: string, { shared, global }: Node): string =>
  shared ? `${global ? '' : containerId}/${plainName(link)}` : `${containerId}/${link}`

/** `ready`: once the client may be told that it is attached. */
export function subscriptionFor(
  ground: NodeGround,
  node: Node,
  link: string,
  consumer: Consumer,
  ready: (refusal: Refusal | null) => void,
): Standing<Subscription> | Refusal {
  const { broker } = ground
  const { kind, address, durable, shared, filters, browses, exclusive } = node
  const { selector, noLocal } = filters
  if (kind === 'topic') {
    const name = subscriptionName(ground, link, node)
    const wish = {
      filter: address,
      durable: durable ? name : '',
      shared,
      group: !durable && shared ? `amqp:${name}` : '',
      selector,
      notFrom: noLocal ? publisherOf(ground) : 0,
    }
    const on = broker.subscribeTopic(wish, consumer, ready)
    return isRefusal(on) ? on : { on, name: address, node: null }
  }
  const own = kind === 'dynamic' ? made(ground) : null
  if (own !== null && isRefusal(own)) return own
  const name = own?.name ?? address
  const plain = selector === null && !browses && !exclusive
  const wish: QueueWish | undefined = plain ? undefined : { selector, browses, exclusive }
  const on = broker.subscribe(name, consumer, wish)
  if (isRefusal(on)) {
    own?.node?.close()
    return on
  }
  ready(null)
  return { on, name, node: own?.node ?? null }
}
