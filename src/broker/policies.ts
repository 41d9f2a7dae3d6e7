// Which settings count for which queue and topic, on the server that serves. They are looked up when a queue is first used after
// settings changed, and kept with the queue: a message costs no look-up, and no change one for every queue.

import type { Log } from '../base/ports.ts'
import {
  ADDRESS_PREFIX,
  AddressBook,
  type AddressEntry,
  type AddressKind,
  type AddressPattern,
  type AddressSettings,
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
  /** By key; in what order they count is found out when somebody asks. */
  readonly #entries = new Map<string, AddressEntry>()
  #book: AddressBook | null = null
  readonly #made = new Map<AddressEntry, Policy>()
  /** Grows whenever settings change. */
  version = 0

  constructor(ground: PolicyGround) {
    this.#ground = ground
    this.#usual = policyOf(ground.limits)
    ground.settings.watch(ADDRESS_PREFIX, key => this.#read(key))
  }

  start(): void {
    this.#ground.state.holdings.policies = this
  }

  stop(): void {
    this.#ground.state.holdings.policies = null
  }

  of(queue: Queue): Policy {
    // What waits for a queue has its settings.
    if (queue.counted !== queue) return queue.counted.policy
    if (!queue.hidden) return withoutItself(this.#find('queue', queue.name), queue.name)
    const filter = queue.filter ?? queue.bindings.keys().next().value
    return queue.keepsAll && filter !== undefined ? this.#find('topic', filter) : this.#usual
  }

  ofTopic(topic: string): Policy {
    return this.#find('topic', topic)
  }

  /** Of a session's messages each has its own: that of its topic. */
  ofMessage(queue: Queue, message: Message): Policy {
    return queue.isSession ? this.ofTopic(topicOf(message.body, message.envelope)) : queue.policy
  }

  #find(kind: AddressKind, name: string): Policy {
    this.#book ??= new AddressBook(this.#entries.values())
    const entry = this.#book.find(kind, name)
    if (entry === null) return this.#usual
    let made = this.#made.get(entry)
    if (made === undefined) this.#made.set(entry, (made = policyOf(this.#ground.limits, entry.settings)))
    return made
  }

  /** What is settled by this key; '': by all. */
  #read(key: string): void {
    const { settings } = this.#ground
    if (key === '') this.#entries.clear()
    for (const one of key === '' ? settings.keys(ADDRESS_PREFIX) : [key]) this.#readOne(one)
    this.#book = null
    this.#made.clear()
    this.version++
  }

  #readOne(key: string): void {
    this.#entries.delete(key)
    const text = this.#ground.settings.get(key)
    if (text === null) return
    const read = readEntry(key.slice(ADDRESS_PREFIX.length), text)
    if (typeof read !== 'string') this.#entries.set(key, read)
    // What this version can't read, a newer one wrote.
    else this.#ground.say('warn', `The settings of the address ${key} are not in force: ${read}`)
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
