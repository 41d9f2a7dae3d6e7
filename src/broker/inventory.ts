// What is in the broker, one by one, for operators: queues, durable subscriptions and MQTT sessions. On the passive server it
// is what the records say; who is connected only the server knows that serves.

import { type Queue, SUBSCRIPTION_PREFIX } from './queue.ts'
import type { State } from './state.ts'
import { type QueueStatus, queueStatus, type Seats } from './status.ts'
import type { Temporaries } from './temporaries.ts'

/** What waits for somebody, and with how many. */
interface Holding {
  /** Messages that were not settled, delivered ones included. */
  readonly messages: number
  readonly bytes: number
  /** Of `messages` those that were delivered and are not settled. */
  readonly unsettled: number
}

export interface QueueEntry extends Holding, Pick<QueueStatus, 'name' | 'delayed' | 'consumers' | 'pagedMessages'> {
  /** Gone with the connection that asked for it. */
  readonly temporary: boolean
}

export interface SubscriptionEntry extends Holding {
  /** The name of its client and its own, or its own alone where all clients may share it. */
  readonly name: string
  readonly filter: string
  /** '' where it has none. */
  readonly selector: string
  readonly consumers: number
}

export interface SessionEntry extends Holding {
  readonly client: string
  readonly user: string
  readonly filters: readonly string[]
  /** When its connection was lost, wall ms, as far as that is recorded; null: it is connected. */
  readonly awaySince: number | null
  /** How long it outlives its connection, in ms; null: for ever. */
  readonly keepMs: number | null
  readonly will: boolean
}

export interface InventoryGround {
  readonly state: State
  seatsOf(queue: Queue): Seats
}

const NONE: Holding = { messages: 0, bytes: 0, unsettled: 0 }

export class Inventory {
  readonly #ground: InventoryGround
  readonly #temporary: Pick<Temporaries, 'queues'>

  constructor(ground: InventoryGround, temporary: Pick<Temporaries, 'queues'>) {
    this.#ground = ground
    this.#temporary = temporary
  }

  queues(): QueueEntry[] {
    const entry = (queue: Queue, temporary: boolean): QueueEntry => {
      const { name, messages, bytes, unsettled, delayed, consumers, pagedMessages } = this.#status(queue)
      return { name, messages, bytes, unsettled, delayed, consumers, pagedMessages, temporary }
    }
    const durable = [...this.#ground.state.queues].filter(queue => !queue.hidden)
    return [
      ...durable.map(queue => entry(queue, false)),
      ...Array.from(this.#temporary.queues(), queue => entry(queue, true)),
    ]
  }

  subscriptions(): SubscriptionEntry[] {
    const found: SubscriptionEntry[] = []
    for (const queue of this.#ground.state.queues) {
      if (!queue.keepsAll) continue
      const { messages, bytes, unsettled, consumers } = this.#status(queue)
      const name = queue.name.slice(SUBSCRIPTION_PREFIX.length)
      for (const [filter, { selector = '' }] of queue.bindings)
        found.push({ name, filter, selector, messages, bytes, unsettled, consumers })
    }
    return found
  }

  sessions(): SessionEntry[] {
    return Array.from(this.#ground.state.sessions.all(), ({ clientId, user, queue, keepMs, awaySince, will }) => {
      const { messages, bytes, unsettled } = queue === null ? NONE : this.#status(queue)
      return {
        client: clientId,
        user,
        filters: [...(queue?.bindings.keys() ?? [])],
        messages,
        bytes,
        unsettled,
        awaySince: awaySince === 0 ? null : awaySince,
        keepMs: keepMs === Infinity ? null : keepMs,
        will: will !== null,
      }
    })
  }

  /** Every queue by the sequence of the record that declared it, those without a name of their own too. */
  names(): [number, string][] {
    return Array.from(this.#ground.state.queues, ({ id, name }) => [id, name])
  }

  /** Every session by the sequence of the record that began it: its client, and what declared its queue, 0 for none. */
  sessionNames(): [number, { client: string; queue: number }][] {
    return Array.from(this.#ground.state.sessions.all(), ({ id, clientId, queue }) => [
      id,
      { client: clientId, queue: queue?.id ?? 0 },
    ])
  }

  #status(queue: Queue): QueueStatus {
    return queueStatus(queue, this.#ground.seatsOf(queue))
  }
}
