// Writing past the page cache (O_DIRECT): the journal never reads what it wrote a moment ago, and the kernel's copy of it
// was a fifth of a busy broker's time. It takes memory, offsets and lengths on sector boundaries. Where the file system or
// the disk will not have it, it says so once, before anything is written, and everything goes through the page cache.

import fs, { constants } from 'node:fs'

interface WasmMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}
/** Node's types leave it to those of browsers. */
declare const WebAssembly: { readonly Memory: new (size: { initial: number }) => WasmMemory }

/** Batches are padded to it. A disk with larger sectors refuses. */
const SECTOR_BYTES = 512
/** Larger pieces are rare, and would keep this much memory for ever. */
const LARGEST_BYTES = 8 << 20
const WASM_PAGE_BYTES = 64 << 10
/** What the kernel says of a file system or a disk that does not take such writes. */
const REFUSALS = ['EINVAL', 'EOPNOTSUPP', 'ENOTSUP']

/** Memory that begins on a page: the only kind that Node has. */
class Staging {
  readonly #memory = new WebAssembly.Memory({ initial: 4 })

  /** The same bytes, on a page boundary, until the next call. */
  hold(bytes: Uint8Array): Uint8Array {
    const missing = bytes.length - this.#memory.buffer.byteLength
    if (missing > 0) this.#memory.grow(Math.ceil(missing / WASM_PAGE_BYTES))
    const held = new Uint8Array(this.#memory.buffer, 0, bytes.length)
    held.set(bytes)
    return held
  }
}

type Answer = (error: Error | null, written: number, refused: boolean) => void

/** What all files of one disk share: whether it takes such writes, and memory for those under way. */
export class DirectWriting {
  #refused = constants.O_DIRECT === undefined
  readonly #idle: Staging[] = []

  fits(length: number, offset: number): boolean {
    return !this.#refused && length % SECTOR_BYTES === 0 && offset % SECTOR_BYTES === 0 && length <= LARGEST_BYTES
  }

  /** A descriptor for such writes, each durable when it returns; -1 where there is none. */
  open(path: string): number {
    try {
      return fs.openSync(path, constants.O_WRONLY | constants.O_DSYNC | constants.O_DIRECT)
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.#refused = true
      return -1
    }
  }

  /** `refused`: nothing was written, and nothing will be in this way. */
  write(fd: number, bytes: Uint8Array, offset: number, done: Answer): void {
    const staging = this.#idle.pop() ?? new Staging()
    fs.write(fd, staging.hold(bytes), 0, bytes.length, offset, (error, written) => {
      this.#idle.push(staging)
      if (isRefusal(error)) this.#refused = true
      done(error, written, isRefusal(error))
    })
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && REFUSALS.includes(error.code as string)
