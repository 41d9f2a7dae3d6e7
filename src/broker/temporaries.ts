// Temporary queues by the names under which they are to be had while somebody holds them (volatile.ts).

import type { TemporaryQueue } from './api.ts'
import type { VolatileQueue } from './volatile.ts'

export class Temporaries {
  readonly #byName = new Map<string, VolatileQueue>()

  get size(): number {
    return this.#byName.size
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
