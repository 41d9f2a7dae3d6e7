// A spill in memory that fails like a disk: writes find no room, reads fail or give something else than what was written.
// What is freed is forgotten at once, so that whoever still reads there finds out.

import type { Spill } from '../broker/spill.ts'
import type { Dice } from './dice.ts'
import type { MemoryDisk } from './disk.ts'
import type { Process } from './timeline.ts'

export class MemorySpill implements Spill {
  readonly #soon: (fn: () => void) => void
  readonly #pages = new Map<number, Uint8Array>()
  #next = 1
  /** Bytes that fit. */
  capacity = Infinity
  bytes = 0
  writes = 0
  reads = 0
  /** Asked at each operation; what it gives fails it. */
  fault: (operation: 'write' | 'read') => Error | null = () => null
  /** Asked at each reading: a bit of what is read is another. */
  damages: () => boolean = () => false

  /** `soon` calls the answers; in any order. */
  constructor(soon: (fn: () => void) => void) {
    this.#soon = soon
  }

  /** How many places are in use. */
  get places(): number {
    return this.#pages.size
  }

  write(bytes: Uint8Array, done: (error: Error | null, place: number) => void): void {
    let place = 0
    let error: Error | null = null
    try {
      place = this.writeNow(bytes)
    } catch (fault) {
      error = fault as Error
    }
    this.#soon(() => done(error, place))
  }

  writeNow(bytes: Uint8Array): number {
    const fault = this.fault('write')
    if (fault !== null) throw fault
    if (this.bytes + bytes.length > this.capacity) throw new Error('ENOSPC: no space left on device, write')
    this.writes++
    const place = this.#next++
    this.bytes += bytes.length
    this.#pages.set(place, Uint8Array.from(bytes))
    return place
  }

  read(place: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    this.#soon(() => {
      let bytes: Uint8Array
      try {
        bytes = this.readNow(place, length)
      } catch (error) {
        return done(error as Error, new Uint8Array(0))
      }
      done(null, bytes)
    })
  }

  readNow(place: number, length: number): Uint8Array {
    this.reads++
    const fault = this.fault('read')
    if (fault !== null) throw fault
    const page = this.#pages.get(place)
    const bytes = Uint8Array.from(page?.subarray(0, length) ?? [])
    if (this.damages() && bytes.length > 0) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
    return bytes
  }

  free(place: number, length: number): void {
    const page = this.#pages.get(place)
    if (page?.length !== length) throw new Error(`nothing of ${length} bytes is kept at ${place}`)
    this.#pages.delete(place)
    this.bytes -= length
  }
}

/** The page file of a broker's process: begun anew with it, on the disk that its journal is on. */
export function spillOf(process: Process, disk: MemoryDisk, diskMs: number, dice: Dice): MemorySpill {
  const spill = new MemorySpill(fn => process.arrive(diskMs * (0.3 + dice.next()), fn))
  spill.fault = operation => (operation === 'write' ? disk.fault('write', 'pages') : null)
  return spill
}
