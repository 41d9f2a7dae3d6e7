// Temporary queues by the names under which they are to be had while somebody holds them (volatile.ts).

import type { TemporaryQueue } from './api.ts'
import type { Queue } from './queue.ts'
import type { VolatileQueue } from './volatile.ts'

export class Temporaries {
  readonly #byName = new Map<string, VolatileQueue>()

  get size(): number {
    return this.#byName.size
  }

  queues(): Iterable<Queue> {
    return Array.from(this.#byName.values(), ({ queue }) => queue)
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  get(name: string): VolatileQueue | undefined {
    return this.#byName.get(name)
  }

  open(name: string, queue: VolatileQueue): TemporaryQueue {
    this.#byName.set(name, queue)
    return {
      close: () => {
        this.#byName.delete(name)
        queue.close()
      },
    }
  }

  clear(): void {
    this.#byName.clear()
  }
}
