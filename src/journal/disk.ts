// The disk as the journal sees it: one folder of flat names. What happens at start and rarely is synchronous (it keeps
// recovery simple and the simulation deterministic); what lies on the way of a message is asynchronous.

export type Done = (error: Error | null) => void

export interface DiskFile {
  /** Writes `bytes` at `offset`. At most one write or flush of a file is under way at a time. */
  write(bytes: Uint8Array, offset: number, done: Done): void
  /** Makes everything written so far durable (fdatasync). After an error nothing is known about any of it. */
  flush(done: Done): void
  /** Writes `bytes` and makes them durable, these and no others: one operation instead of two. */
  writeThrough(bytes: Uint8Array, offset: number, done: Done): void
  /** Reads up to `length` bytes at `offset`; fewer at the end of the file. May overlap with writes. */
  read(offset: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void
  readSync(offset: number, length: number): Uint8Array
  /** The same at once: at start, and for what must be durable before a call returns. */
  writeSync(bytes: Uint8Array, offset: number): void
  flushSync(): void
  /** Cuts the file to `length` bytes, extends it again with zeros to `size` and makes that durable. */
  truncateSync(length: number, size: number): void
  /** Harmless while an operation is under way: the file is closed after it. */
  close(): void
}

export interface Disk {
  /** Names in the folder, sorted. */
  list(): string[]
  size(name: string): number
  /** The whole of a small file, or null where there is none. */
  read(name: string): Uint8Array | null
  /** Replaces a small file durably and at once: temporary file, flush, rename, flush of the folder. */
  replace(name: string, bytes: Uint8Array): void
  /** Renames durably (the folder is flushed). */
  rename(from: string, to: string): void
  /** Removes durably. No error where there is no such file. */
  remove(name: string): void
  /** The same in the background, for files that serve again while messages go on: `rename`, then `open`. */
  recycle(from: string, to: string, done: (error: Error | null, file: DiskFile | null) => void): void
  /** `remove` in the background. */
  discard(name: string, done: Done): void
  /** Opens for reading and writing; throws where there is no such file. */
  open(name: string): DiskFile
  /** Makes a new file of `size` zero bytes, really allocated and flushed, in the background; replaces a left-over one. */
  create(name: string, size: number, done: (error: Error | null, file: DiskFile | null) => void): void
  /** The same, at once. For the first segment and small files. */
  createSync(name: string, size: number): DiskFile
}
