// Who gets what is published to a topic: listeners, which hear it at once; groups of listeners, of which one does; and
// queues that are bound to a filter. What a topic leads to is found once and kept until somebody comes or goes.

import { assert } from '../base/assert.ts'
import type { Listening, TopicListener } from './api.ts'
import type { BindingOptions } from './binding.ts'
import type { Envelope } from './envelope.ts'
import type { Queue } from './queue.ts'
import { type Selector, selectorOf } from './selector/selector.ts'
import { TopicTree } from './topic-tree.ts'

/** A queue that gets what is published to matching topics. */
export class Binding {
  readonly queue: Queue
  readonly filter: string
  options: BindingOptions
  /** What no-local leaves out. */
  readonly publisher: number
  readonly selector: Selector | null

  constructor(queue: Queue, filter: string, options: BindingOptions, publisher: number) {
    this.queue = queue
    this.filter = filter
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

/** What one topic leads to. Never changed: a publish under way goes on with what it found. */
export interface Routes {
  readonly version: number
  readonly listeners: readonly ListenerEntry[]
  /** Each of them gets one listener's turn. */
  readonly groups: readonly (readonly ListenerEntry[])[]
  readonly bindings: readonly Binding[]
}

export const NO_ROUTES: Routes = { version: -1, listeners: [], groups: [], bindings: [] }

export class Topics {
  /** Grows whenever somebody comes or goes. */
  version = 0
  #turn = 0
  listening = 0
  readonly #listeners = new TopicTree<ListenerEntry>()
  readonly #bindings = new TopicTree<Binding>()

  listen(filter: string, listener: TopicListener, group: string): Listening {
    const entry = new ListenerEntry(this, filter, listener, group)
    this.#listeners.add(filter, entry)
    this.listening++
    this.version++
    return entry
  }

  leave(entry: ListenerEntry): void {
    this.#listeners.remove(entry.filter, entry)
    this.listening--
    this.version++
  }

  bind(binding: Binding): void {
    this.#bindings.add(binding.filter, binding)
    this.version++
  }

  unbind(binding: Binding): void {
    this.#bindings.remove(binding.filter, binding)
    this.version++
  }

  routes(topic: string): Routes {
    const found = this.#listeners.match(topic)
    const groups = new Map<string, ListenerEntry[]>()
    for (const entry of found) {
      if (entry.group === '') continue
      const key = `${entry.group}/${entry.filter}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [entry])
      else group.push(entry)
    }
    return {
      version: this.version,
      listeners: found.filter(entry => entry.group === ''),
      groups: [...groups.values()],
      bindings: this.#bindings.match(topic),
    }
  }

  tell(routes: Routes, body: Uint8Array, envelope: Envelope): void {
    const { listeners, groups } = routes
    for (let i = 0; i < listeners.length; i++) {
      const entry = listeners[i] as ListenerEntry
      if (entry.open) entry.listener.published(body, envelope)
    }
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i] as readonly ListenerEntry[]
      const entry = group[this.#turn++ % group.length] as ListenerEntry
      if (entry.open) entry.listener.published(body, envelope)
    }
  }
}
