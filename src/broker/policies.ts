// Which settings count for which queue and topic, on the server that serves. They are looked up when a queue comes to be and
// when settings change, and kept with the queue: a message costs no look-up.

import type { Log } from '../base/ports.ts'
import {
  ADDRESS_PREFIX,
  type AddressEntry,
  type AddressKind,
  type AddressPattern,
  type AddressSettings,
  entryFor,
  readAddress,
  readPattern,
} from './address-settings.ts'
import type { BrokerLimits } from './limits.ts'
import type { Message } from './message.ts'
import { type Policy, policyOf, withoutItself } from './policy.ts'
import type { Queue } from './queue.ts'
import type { SettingsFace } from './settings-desk.ts'
import type { State } from './state.ts'
import { topicOf } from './topic-fold.ts'

export interface PolicyGround {
  readonly settings: SettingsFace
  readonly limits: BrokerLimits
  readonly state: State
  readonly say: Log
}

export class Policies {
  readonly #ground: PolicyGround
  readonly #usual: Policy
  #entries: readonly AddressEntry[] = []
  readonly #made = new Map<AddressEntry, Policy>()
  /** Grows whenever settings change. */
  version = 0

  constructor(ground: PolicyGround) {
    this.#ground = ground
    this.#usual = policyOf(ground.limits)
    ground.settings.watch(ADDRESS_PREFIX, () => this.#read())
  }

  start(): void {
    this.#ground.state.onDeclared = queue => this.settle(queue)
    this.#read()
  }

  stop(): void {
    this.#ground.state.onDeclared = () => {}
  }

  /** Puts in force what counts for this queue. `filter`: of a subscription whose own is not safe yet. */
  settle(queue: Queue, filter = queue.bindings.keys().next().value): void {
    queue.policy = this.#of(queue, filter)
  }

  ofTopic(topic: string): Policy {
    return this.#find('topic', topic)
  }

  /** Of a session's messages each has its own: that of its topic. */
  ofMessage(queue: Queue, message: Message): Policy {
    return queue.isSession ? this.ofTopic(topicOf(message.body, message.envelope)) : queue.policy
  }

  #of(queue: Queue, filter: string | undefined): Policy {
    // What waits for a queue has its settings.
    if (queue.counted !== queue) return this.#of(queue.counted, undefined)
    if (!queue.hidden) return withoutItself(this.#find('queue', queue.name), queue.name)
    return queue.keepsAll && filter !== undefined ? this.#find('topic', filter) : this.#usual
  }

  #find(kind: AddressKind, name: string): Policy {
    const entry = this.#entries.length === 0 ? null : entryFor(this.#entries, kind, name)
    if (entry === null) return this.#usual
    let made = this.#made.get(entry)
    if (made === undefined) this.#made.set(entry, (made = policyOf(this.#ground.limits, entry.settings)))
    return made
  }

  #read(): void {
    const { settings, state, say } = this.#ground
    const entries: AddressEntry[] = []
    for (const key of settings.keys(ADDRESS_PREFIX)) {
      const read = readEntry(key.slice(ADDRESS_PREFIX.length), settings.get(key))
      // What this version can't read, a newer one wrote.
      if (typeof read === 'string') say('warn', `The settings of the address ${key} are not in force: ${read}`)
      else entries.push(read)
    }
    this.#entries = entries
    this.#made.clear()
    this.version++
    for (const queue of state.queues) this.settle(queue)
  }
}

/** What the replicated settings hold for a pattern, or what is wrong with it. */
export function readEntry(name: string, text: string | null): AddressEntry | string {
  const pattern: AddressPattern | string = readPattern(name)
  if (typeof pattern === 'string') return pattern
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch {
    return 'it is not JSON'
  }
  const settings: AddressSettings | string = readAddress(value)
  return typeof settings === 'string' ? settings : { ...pattern, settings }
}
