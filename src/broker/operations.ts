// What operators see of the broker's content, one by one, and what they may do to it (inventory.ts, purges.ts). Each change is
// made by the records that clients' own wishes make, and answered when it is safe.

import { notServing } from './intake.ts'
import { Inventory, type InventoryGround } from './inventory.ts'
import type { Ledger } from './ledger.ts'
import type { Purges } from './purges.ts'
import type { Refusal } from './refusal.ts'
import type { Temporaries } from './temporaries.ts'
import type { TopicDesk } from './topic-desk.ts'

interface OperationsGround extends InventoryGround {
  readonly serving: boolean
  readonly ledger: Ledger
  readonly noRecord: Refusal
  mayServe(): boolean
}

/** null: it is done, and safe. Nothing is said where serving ends before that. */
type Done = (refusal: Refusal | null) => void

const ENDED: Refusal = { refused: 'not-allowed', text: 'an operator ended it' }

export class Operations {
  readonly #ground: OperationsGround
  readonly #desk: Pick<TopicDesk, 'sessions' | 'subscriptions'>
  readonly #purges: Purges
  readonly inventory: Inventory

  constructor(
    ground: OperationsGround,
    desk: Pick<TopicDesk, 'sessions' | 'subscriptions'>,
    purges: Purges,
    temporary: Temporaries,
  ) {
    this.#ground = ground
    this.#desk = desk
    this.#purges = purges
    this.inventory = new Inventory(ground, temporary)
  }

  /** Empties a queue of what nobody has and is there now; says how many messages left. */
  purge(name: string, done: (refusal: Refusal | null, messages: number) => void): void {
    const { serving, state } = this.#ground
    if (!serving) return done(notServing, 0)
    const queue = state.named(name)
    if (queue === null) return done(missing(`queue ${name}`), 0)
    this.#purges.begin(queue, done)
  }

  /** Takes a durable subscription away with all that waits in it; its consumers lose their links. */
  removeSubscription(name: string, done: Done): void {
    const { subscriptions } = this.#desk
    if (!this.#ground.serving) return done(notServing)
    if (subscriptions.filterOf(name) === null) return done(missing(`durable subscription ${name}`))
    if (!subscriptions.unsubscribe(name, () => done(null))) done(this.#ground.noRecord)
  }

  /** Ends the session of an MQTT client with all that waits in it; a client that is connected loses its connection. */
  endSession(client: string, done: Done): void {
    const ground = this.#ground
    if (!ground.serving) return done(notServing)
    const ended = this.#desk.sessions.endSession(client, ENDED)
    if (ended === null) return done(missing(`session ${client}`))
    if (!ended) return done(ground.noRecord)
    ground.ledger.sayAfter(() => done(null), ground.mayServe())
  }
}

const missing = (what: string): Refusal => ({ refused: 'not-found', text: `there is no ${what}` })
