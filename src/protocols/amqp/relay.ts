// The anonymous terminus: a link without an address, on which each message says itself where it goes (property `to`;
// Anonymous Terminus for Message Routing, OASIS). Clients use it to answer many askers over one link.

import type { Broker, Group, Producer, PublishTarget, Refusal } from '../../broker/api.ts'
import { isRefusal, TOPIC_SCHEME } from '../../broker/api.ts'
import type { Envelope } from '../../broker/envelope.ts'
import { AmqpFault } from './errors.ts'
import { toOf } from './message.ts'
import { placeOf } from './terminus.ts'
import { asBuffer } from './types.ts'

/** Addresses whose targets are remembered; beyond it all are found anew. */
const KNOWN = 1000

export class Relay implements PublishTarget {
  readonly name = ''
  readonly #broker: Broker
  readonly #known = new Map<string, PublishTarget>()

  constructor(broker: Broker) {
    this.#broker = broker
  }

  publish(body: Uint8Array, producer: Producer | null, tag: number, envelope?: Envelope): void {
    const target = this.#find(asBuffer(body))
    if (isRefusal(target)) producer?.published(tag, target)
    else target.publish(body, producer, tag, envelope)
  }

  inGroup(group: Group, body: Uint8Array, envelope: Envelope): Refusal | null {
    const target = this.#find(asBuffer(body))
    return isRefusal(target) ? target : target.inGroup(group, body, envelope)
  }

  #find(body: Buffer): PublishTarget | Refusal {
    let to: string | null
    try {
      to = toOf(body)
    } catch (error) {
      if (!(error instanceof AmqpFault)) throw error
      return { refused: 'not-allowed', text: error.message }
    }
    if (to === null || to === '') return { refused: 'not-found', text: 'the message does not say where it goes (to)' }
    const known = this.#known.get(to)
    if (known !== undefined) return known
    const { kind, address } = placeOf(to, null)
    const target = this.#broker.target(kind === 'topic' ? TOPIC_SCHEME + address : address)
    if (isRefusal(target)) return target
    if (this.#known.size >= KNOWN) this.#known.clear()
    this.#known.set(to, target)
    return target
  }

  /** Where the messages will go nobody knows: refusals come one by one. */
  room(): number {
    return Number.MAX_SAFE_INTEGER
  }

  onRoom(ready: () => void): () => void {
    ready()
    return () => {}
  }
}
