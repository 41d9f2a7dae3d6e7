// Who gets what is published to a topic: listeners, which hear it at once; queues that are bound to a filter; and groups,
// of which one member does. What a topic leads to is found once and kept until somebody comes or goes.

import { assert } from '../base/assert.ts'
import type { Listening, TopicListener } from './api.ts'
import { type BindingOptions, splitShare } from './binding.ts'
import type { Envelope } from './envelope.ts'
import type { Queue } from './queue.ts'
import { type Selector, selectorOf } from './selector/selector.ts'
import { TopicTree } from './topic-tree.ts'

/** A queue that gets what is published to matching topics, or takes its turn in a group that does. */
export class Binding {
  readonly queue: Queue
  readonly filter: string
  readonly group: string
  options: BindingOptions
  /** What no-local leaves out. */
  readonly publisher: number
  readonly selector: Selector | null

  /** `text`: a filter, that of a shared subscription with its prefix. */
  constructor(queue: Queue, text: string, options: BindingOptions, publisher: number) {
    this.queue = queue
    ;({ group: this.group, filter: this.filter } = splitShare(text))
    this.options = options
    this.publisher = publisher
    const selector = options.selector === undefined ? null : selectorOf(options.selector)
    assert(typeof selector !== 'string', 'a selector that was accepted once is one')
    this.selector = selector
  }
}

class ListenerEntry implements Listening {
  readonly listener: TopicListener
  readonly filter: string
  readonly group: string
  readonly #topics: Topics
  open = true

  constructor(topics: Topics, filter: string, listener: TopicListener, group: string) {
    this.#topics = topics
    this.filter = filter
    this.listener = listener
    this.group = group
  }

  close(): void {
    if (!this.open) return
    this.open = false
    this.#topics.leave(this)
  }
}

/** What is told of a message. */
interface Listened {
  readonly listener: TopicListener
  readonly open: boolean
}

/** Of a session that lasts both are of the same client: it is connected while it listens. */
interface Member {
  entry: ListenerEntry | null
  binding: Binding | null
}

/** Whose turn it is in one group, and how many listeners and bindings it has: with the last of them it is gone. */
interface Turn {
  next: number
  members: number
}

interface Group {
  readonly turn: Turn
  readonly connected: readonly Member[]
  readonly away: readonly Member[]
}

type Listeners = readonly Listened[]

/** What one topic leads to. Never changed: a publish under way goes on with what it found. */
export interface Routes {
  readonly version: number
  readonly listeners: Listeners
  /** Each of them gets one member's turn. */
  readonly groups: readonly Group[]
  readonly bindings: readonly Binding[]
}

export type { Listeners }

export const NO_ROUTES: Routes = { version: -1, listeners: [], groups: [], bindings: [] }

/** Whose turn it is in the groups, and who listens besides them. */
export interface Chosen {
  readonly listeners: Listeners
  readonly bindings: readonly Binding[]
  /** A group of which all queues are full. */
  readonly full: Queue | null
}

export class Topics {
  /** Grows whenever somebody comes or goes. */
  version = 0
  /** By group and filter: groups that took turns together would each give every message to the same member. */
  readonly #turns = new Map<string, Turn>()
  listening = 0
  bound = 0
  readonly #listeners = new TopicTree<ListenerEntry>()
  readonly #bindings = new TopicTree<Binding>()

  listen(filter: string, listener: TopicListener, group: string): Listening {
    const entry = new ListenerEntry(this, filter, listener, group)
    this.#listeners.add(filter, entry)
    this.#joins(entry)
    this.listening++
    this.version++
    return entry
  }

  leave(entry: ListenerEntry): void {
    this.#listeners.remove(entry.filter, entry)
    this.#leaves(entry)
    this.listening--
    this.version++
  }

  bind(binding: Binding): void {
    this.#bindings.add(binding.filter, binding)
    this.#joins(binding)
    this.bound++
    this.version++
  }

  unbind(binding: Binding): void {
    this.#bindings.remove(binding.filter, binding)
    this.#leaves(binding)
    this.bound--
    this.version++
  }

  #joins(one: Grouped): void {
    if (one.group === '') return
    const key = groupOf(one)
    const turn = this.#turns.get(key)
    if (turn === undefined) this.#turns.set(key, { next: 0, members: 1 })
    else turn.members++
  }

  #leaves(one: Grouped): void {
    if (one.group === '') return
    const key = groupOf(one)
    const turn = this.#turns.get(key)
    assert(turn !== undefined, 'who leaves a group has been in it')
    if (--turn.members === 0) this.#turns.delete(key)
  }

  routes(topic: string): Routes {
    const found = this.#listeners.match(topic)
    const bindings = this.#bindings.match(topic)
    return {
      version: this.version,
      listeners: joined(found.filter(entry => entry.group === '')),
      groups: groupsOf(found, bindings, this.#turns),
      bindings: bindings.filter(binding => binding.group === ''),
    }
  }

  /**
   * One member of each group: of those that are connected the next one, else, where the message is to be kept, of those
   * that are away. Who has no room (`full`) is passed over.
   */
  choose({ listeners, groups }: Routes, qos: number, full: (queue: Queue) => boolean): Chosen {
    const told: Listened[] = [...listeners]
    const bindings: Binding[] = []
    let nobody: Queue | null = null
    for (const group of groups) {
      const { connected, away } = group
      const turn = group.turn.next++
      const chosen = next(connected, turn, qos, full) ?? (qos > 0 ? next(away, turn, qos, full) : null)
      if (chosen === null) nobody ??= fullOne(group, qos)
      else if (keeps(chosen, qos)) bindings.push(chosen.binding as Binding)
      else if (chosen.entry !== null) told.push(chosen.entry)
    }
    return { listeners: told, bindings, full: nobody }
  }

  tell(listeners: Listeners, body: Uint8Array, envelope: Envelope): void {
    for (let i = 0; i < listeners.length; i++) {
      const entry = listeners[i] as Listened
      if (entry.open) entry.listener.published(body, envelope)
    }
  }
}

/** What overlaps of one client as one [MQTT-3.3.4-2]. */
function joined(entries: readonly ListenerEntry[]): Listened[] {
  const clients = new Map<object, ListenerEntry[]>()
  for (const entry of entries) {
    const { client = entry } = entry.listener
    const known = clients.get(client)
    if (known === undefined) clients.set(client, [entry])
    else known.push(entry)
  }
  return Array.from(clients.values(), parts => {
    const { client } = (parts[0] as ListenerEntry).listener
    if (parts.length === 1 || client === undefined) return parts[0] as ListenerEntry
    const listener = client.joined(parts.map(part => part.listener))
    return {
      listener,
      get open(): boolean {
        return parts.some(part => part.open)
      },
    }
  })
}

/** A message of this quality goes to this member through its queue. */
const keeps = ({ binding }: Member, qos: number): boolean =>
  binding !== null && qos > 0 && binding.options.qos > 0 && !binding.queue.dropped

function next(members: readonly Member[], turn: number, qos: number, full: (queue: Queue) => boolean): Member | null {
  for (let i = 0; i < members.length; i++) {
    const member = members[(turn + i) % members.length] as Member
    if (keeps(member, qos) ? !full((member.binding as Binding).queue) : member.entry?.open === true) return member
  }
  return null
}

/** Nobody in the group has taken it: a queue for which it is lost, if it is for one. */
const fullOne = ({ connected, away }: Group, qos: number): Queue | null =>
  [...connected, ...away].find(member => keeps(member, qos))?.binding?.queue ?? null

interface Grouped {
  readonly group: string
  readonly filter: string
}

const groupOf = ({ group, filter }: Grouped): string => `${group}/${filter}`

/** Members by their group, and a session's listener and binding as one member. */
function groupsOf(
  entries: readonly ListenerEntry[],
  bindings: readonly Binding[],
  turns: ReadonlyMap<string, Turn>,
): Group[] {
  const groups = new Map<string, Map<number | object, Member>>()
  const member = (key: string, who: number | object): Member => {
    let members = groups.get(key)
    if (members === undefined) groups.set(key, (members = new Map()))
    let found = members.get(who)
    if (found === undefined) members.set(who, (found = { entry: null, binding: null }))
    return found
  }
  for (const entry of entries)
    if (entry.group !== '') member(groupOf(entry), entry.listener.session || entry).entry = entry
  for (const binding of bindings)
    if (binding.group !== '') member(groupOf(binding), binding.publisher).binding = binding
  return Array.from(groups, ([key, members]) => {
    const all = [...members.values()]
    const turn = turns.get(key)
    assert(turn !== undefined, 'a group with members takes turns')
    return { turn, connected: all.filter(one => one.entry !== null), away: all.filter(one => one.entry === null) }
  })
}
