// The page file: messages for which memory has no room, in slots of one file in the data directory. It is never flushed and
// begun anew at each start. What is freed serves again; when all is, the file is cut.

import fs from 'node:fs'
import { join } from 'node:path'
import type { Spill } from '../broker/spill.ts'

/** Most pages are a little smaller; a larger one takes several slots side by side. The rest of a slot is a hole. */
const SLOT_BYTES = 256 * 1024

/** Opens the file `pages` in the folder, empty. */
export function openSpill(folder: string): Spill {
  const path = join(folder, 'pages')
  fs.rmSync(path, { force: true })
  return new SpillFile(fs.openSync(path, 'w+', 0o600))
}

class SpillFile implements Spill {
  readonly #fd: number
  #slots = 0
  #used = 0
  /** Free places by their number of slots. */
  readonly #free = new Map<number, number[]>()

  constructor(fd: number) {
    this.#fd = fd
  }

  write(bytes: Uint8Array, done: (error: Error | null, place: number) => void): void {
    const place = this.#take(bytes.length)
    const put = (from: number): void => {
      fs.write(this.#fd, bytes, from, bytes.length - from, place + from, (error, written) => {
        if (error) {
          this.free(place, bytes.length)
          done(error, 0)
        } else if (from + written < bytes.length) put(from + written)
        else done(null, place)
      })
    }
    put(0)
  }

  writeNow(bytes: Uint8Array): number {
    const place = this.#take(bytes.length)
    try {
      for (let at = 0; at < bytes.length;) at += fs.writeSync(this.#fd, bytes, at, bytes.length - at, place + at)
    } catch (error) {
      this.free(place, bytes.length)
      throw error
    }
    return place
  }

  read(place: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    const bytes = Buffer.allocUnsafeSlow(length)
    const get = (from: number): void => {
      fs.read(this.#fd, bytes, from, length - from, place + from, (error, read) => {
        if (error) done(error, bytes)
        else if (read === 0 || from + read === length) done(null, bytes.subarray(0, from + read))
        else get(from + read)
      })
    }
    get(0)
  }

  readNow(place: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length)
    let at = 0
    while (at < length) {
      const read = fs.readSync(this.#fd, bytes, at, length - at, place + at)
      if (read === 0) break
      at += read
    }
    return bytes.subarray(0, at)
  }

  free(place: number, length: number): void {
    const slots = slotsOf(length)
    this.#used -= slots
    if (this.#used > 0) {
      const places = this.#free.get(slots)
      if (places === undefined) this.#free.set(slots, [place])
      else places.push(place)
      return
    }
    this.#slots = 0
    this.#free.clear()
    // Whatever is written next is written after this: the file is cut at once.
    try {
      fs.ftruncateSync(this.#fd, 0)
    } catch {
      // It stays as long as it is, and serves again from its beginning.
    }
  }

  #take(length: number): number {
    const slots = slotsOf(length)
    this.#used += slots
    const free = this.#free.get(slots)?.pop()
    if (free !== undefined) return free
    const place = this.#slots * SLOT_BYTES
    this.#slots += slots
    return place
  }
}

const slotsOf = (length: number): number => Math.max(1, Math.ceil(length / SLOT_BYTES))
