// The real disk: one folder of flat names behind the port of the journal. Errors pass through as Node gives them; what
// they mean is said by whoever asked for the work.

import { constants } from 'node:fs'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Disk, DiskFile, Done } from '../journal/disk.ts'
import { DirectWriting } from './direct.ts'

const CHUNK_BYTES = 1 << 20
/** New files are flushed in steps of this size, so that the flush of a message never waits behind all of one. */
const FLUSH_BYTES = 4 << 20
const LEFT_OVER = '.new'
const ZEROS = Buffer.alloc(CHUNK_BYTES)

export type OnWork = (ms: number) => void

/** Opens the folder, which is made where there is none. `onWork` is told how long each write or flush took. */
export function openDisk(folder: string, onWork: OnWork = () => {}): Disk {
  fs.mkdirSync(folder, { recursive: true })
  return new RealDisk(folder, onWork)
}

class RealDisk implements Disk {
  private readonly folder: string
  private readonly onWork: OnWork
  private readonly direct = new DirectWriting()

  constructor(folder: string, onWork: OnWork) {
    this.folder = folder
    this.onWork = onWork
  }

  list(): string[] {
    const entries = fs.readdirSync(this.folder, { withFileTypes: true })
    return entries.flatMap(entry => (entry.isFile() && !entry.name.endsWith(LEFT_OVER) ? [entry.name] : [])).sort()
  }

  size(name: string): number {
    return fs.statSync(this.path(name)).size
  }

  read(name: string): Uint8Array | null {
    try {
      return fs.readFileSync(this.path(name))
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  replace(name: string, bytes: Uint8Array): void {
    const temporary = this.path(name) + LEFT_OVER
    const fd = fs.openSync(temporary, 'w')
    try {
      writeAll(fd, bytes, 0)
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
    fs.renameSync(temporary, this.path(name))
    this.flushFolder()
  }

  rename(from: string, to: string): void {
    fs.renameSync(this.path(from), this.path(to))
    this.flushFolder()
  }

  remove(name: string): void {
    try {
      fs.unlinkSync(this.path(name))
    } catch (error) {
      if (isMissing(error)) return
      throw error
    }
    this.flushFolder()
  }

  recycle(from: string, to: string, done: (error: Error | null, file: DiskFile | null) => void): void {
    fs.rename(this.path(from), this.path(to), error => {
      if (error) return done(error, null)
      this.flushFolderSoon(fault => {
        if (fault !== null) return done(fault, null)
        let file: DiskFile
        try {
          file = this.open(to)
        } catch (failure) {
          return done(failure as Error, null)
        }
        done(null, file)
      })
    })
  }

  discard(name: string, done: Done): void {
    fs.unlink(this.path(name), error => {
      if (!error) this.flushFolderSoon(done)
      else done(isMissing(error) ? null : error)
    })
  }

  open(name: string): DiskFile {
    return this.file(fs.openSync(this.path(name), 'r+'), this.path(name))
  }

  create(name: string, size: number, done: (error: Error | null, file: DiskFile | null) => void): void {
    const path = this.path(name)
    fs.open(path, 'w+', (error, fd) => {
      if (error) return done(error, null)
      const filled: Done = fault => {
        if (fault === null) return done(null, this.file(fd, path))
        // What there is of it would only take up room.
        fs.close(fd, () => fs.unlink(path, () => done(fault, null)))
      }
      fill(fd, size, 0, fault => {
        if (fault !== null) return filled(fault)
        fs.fsync(fd, unflushed => {
          if (unflushed) filled(unflushed)
          else this.flushFolderSoon(filled)
        })
      })
    })
  }

  createSync(name: string, size: number): DiskFile {
    const path = this.path(name)
    const fd = fs.openSync(path, 'w+')
    try {
      for (let at = 0; at < size; at += CHUNK_BYTES) writeAll(fd, ZEROS.subarray(0, size - at), at)
      fs.fsyncSync(fd)
      this.flushFolder()
    } catch (error) {
      fs.closeSync(fd)
      fs.unlinkSync(path)
      throw error
    }
    return this.file(fd, path)
  }

  private file(fd: number, path: string): RealFile {
    return new RealFile(fd, path, this.onWork, this.direct)
  }

  private path(name: string): string {
    return join(this.folder, name)
  }

  private flushFolderSoon(done: Done): void {
    fs.open(this.folder, constants.O_RDONLY, (error, fd) => {
      if (error) return done(error)
      fs.fsync(fd, fault => fs.close(fd, () => done(fault)))
    })
  }

  private flushFolder(): void {
    const fd = fs.openSync(this.folder, constants.O_RDONLY)
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  }
}

class RealFile implements DiskFile {
  private readonly fd: number
  private readonly path: string
  private readonly onWork: OnWork
  private readonly direct: DirectWriting
  private startedAt = 0
  /** The same file, opened so that each write is durable when it returns; made when it is first needed. */
  private durableFd = -1
  /** The same, past the page cache. */
  private directFd = -1
  /** Where the write under way goes. */
  private writingFd = -1
  /** What the write under way still has to write. */
  private rest: Uint8Array | null = null
  private offset = 0
  private done: Done | null = null
  /** Work in the thread pool: the descriptor is closed only after it, for its number may be given to another file. */
  private working = 0
  private closing = false
  private readonly wrote = (error: Error | null, written: number) => this.afterWrite(error, written)
  private readonly synced = (error: Error | null) => this.answer(error)

  constructor(fd: number, path: string, onWork: OnWork, direct: DirectWriting) {
    this.fd = fd
    this.path = path
    this.onWork = onWork
    this.direct = direct
  }

  write(bytes: Uint8Array, offset: number, done: Done): void {
    this.begin(done)
    this.writeTo(this.fd, bytes, offset)
  }

  /** O_DSYNC: one visit to the thread pool and one system call in place of two, with the same promise as fdatasync. */
  writeThrough(bytes: Uint8Array, offset: number, done: Done): void {
    this.begin(done)
    try {
      if (this.direct.fits(bytes.length, offset)) {
        if (this.directFd < 0) this.directFd = this.direct.open(this.path)
        if (this.directFd >= 0) return this.writeDirectly(bytes, offset)
      }
      this.writeDurably(bytes, offset)
    } catch (error) {
      setImmediate(() => this.answer(error as Error))
    }
  }

  flush(done: Done): void {
    this.begin(done)
    fs.fdatasync(this.fd, this.synced)
  }

  read(offset: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    const bytes = Buffer.allocUnsafeSlow(length)
    let have = 0
    this.working += 1
    const more = (): void => {
      fs.read(this.fd, bytes, have, length - have, offset + have, (error, count) => {
        have += error ? 0 : count
        if (!error && count > 0 && have < length) return more()
        this.end()
        done(error, bytes.subarray(0, have))
      })
    }
    more()
  }

  readSync(offset: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length)
    let have = 0
    while (have < length) {
      const count = fs.readSync(this.fd, bytes, have, length - have, offset + have)
      if (count === 0) break
      have += count
    }
    return bytes.subarray(0, have)
  }

  writeSync(bytes: Uint8Array, offset: number): void {
    writeAll(this.fd, bytes, offset)
  }

  flushSync(): void {
    fs.fdatasyncSync(this.fd)
  }

  truncateSync(length: number, size: number): void {
    fs.ftruncateSync(this.fd, length)
    for (let at = length; at < size; at += CHUNK_BYTES) writeAll(this.fd, ZEROS.subarray(0, size - at), at)
    fs.fsyncSync(this.fd)
  }

  close(): void {
    if (this.closing) return
    this.closing = true
    if (this.working === 0) this.closeNow()
  }

  private writeDirectly(bytes: Uint8Array, offset: number): void {
    this.direct.write(this.directFd, bytes, offset, (error, written, refused) => {
      if (error !== null && !refused) return this.answer(error)
      const rest = refused ? bytes : bytes.subarray(written)
      if (rest.length === 0) return this.answer(null)
      try {
        this.writeDurably(rest, offset + bytes.length - rest.length)
      } catch (failure) {
        this.answer(failure as Error)
      }
    })
  }

  private writeDurably(bytes: Uint8Array, offset: number): void {
    if (this.durableFd < 0) this.durableFd = fs.openSync(this.path, constants.O_WRONLY | constants.O_DSYNC)
    this.writeTo(this.durableFd, bytes, offset)
  }

  private writeTo(fd: number, bytes: Uint8Array, offset: number): void {
    this.writingFd = fd
    this.rest = bytes
    this.offset = offset
    fs.write(fd, bytes, 0, bytes.length, offset, this.wrote)
  }

  private closeNow(): void {
    fs.closeSync(this.fd)
    for (const fd of [this.durableFd, this.directFd]) if (fd >= 0) fs.closeSync(fd)
  }

  private begin(done: Done): void {
    this.startedAt = monotonic()
    this.working += 1
    this.done = done
  }

  private afterWrite(error: Error | null, written: number): void {
    const { rest } = this
    if (error !== null || rest === null || written === rest.length) return this.answer(error)
    // The kernel may take less than asked for, near a limit or on a full disk.
    this.writeTo(this.writingFd, rest.subarray(written), this.offset + written)
  }

  private answer(error: Error | null): void {
    const { done } = this
    this.onWork(monotonic() - this.startedAt)
    this.rest = null
    this.done = null
    this.end()
    done?.(error)
  }

  private end(): void {
    this.working -= 1
    if (this.closing && this.working === 0) this.closeNow()
  }
}

const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at, offset + at)
}

function fill(fd: number, size: number, at: number, done: Done): void {
  if (at >= size) return done(null)
  fs.write(fd, ZEROS, 0, Math.min(CHUNK_BYTES, size - at), at, (error, written) => {
    if (error) return done(error)
    const next = at + written
    if (Math.floor(next / FLUSH_BYTES) === Math.floor(at / FLUSH_BYTES)) return fill(fd, size, next, done)
    fs.fdatasync(fd, fault => (fault ? done(fault) : fill(fd, size, next, done)))
  })
}
