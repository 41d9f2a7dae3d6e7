// A disk in memory that fails like a real one: writes that were not flushed are lost, kept or torn at a crash, in any
// order; writes and flushes fail; the disk fills up; bits flip. What is durable and what only the running program sees are
// kept apart. Every operation that changes something has a number, so that a test can crash at each of them.

import type { Disk, DiskFile, Done } from '../journal/disk.ts'

/** Writes to a file are torn at multiples of this, or anywhere within one such piece. */
const PIECE_BYTES = 512

/** Thrown by the operation at which the machine stops; nothing of the program runs after it. */
export class MachineStopped extends Error {}

interface Pending {
  readonly at: number
  readonly bytes: Uint8Array
}

class Inode {
  /** What a program sees. */
  content: Buffer
  durable: Buffer
  pending: Pending[] = []

  constructor(size: number) {
    this.content = Buffer.alloc(size)
    this.durable = Buffer.alloc(size)
  }

  write(bytes: Uint8Array, at: number): void {
    this.content = put(this.content, bytes, at)
    // Not copied: nobody writes what he changes afterwards.
    this.pending.push({ at, bytes })
  }

  flush(): void {
    for (const { at, bytes } of this.pending) this.durable = put(this.durable, bytes, at)
    this.pending = []
  }

  /** Each piece of what was not flushed is on the disk, or not, or in part. */
  crash(dice: () => number): void {
    for (const { at, bytes } of this.pending) {
      for (let from = 0; from < bytes.length;) {
        const to = Math.min(bytes.length, from + PIECE_BYTES - ((at + from) % PIECE_BYTES))
        const fate = dice()
        const kept = fate < 0.45 ? to - from : fate < 0.9 ? 0 : Math.floor(dice() * (to - from))
        if (kept > 0) this.durable = put(this.durable, bytes.subarray(from, from + kept), at + from)
        from = to
      }
    }
    this.pending = []
    this.content = Buffer.from(this.durable)
  }
}

const put = (into: Buffer, bytes: Uint8Array, at: number): Buffer => {
  const grown = at + bytes.length > into.length ? Buffer.concat([into], at + bytes.length) : into
  grown.set(bytes, at)
  return grown
}

export class MemoryDisk implements Disk {
  /** Operations that changed something so far. */
  operations = 0
  /** The machine stops at the operation with this number, which happens in part or not at all. */
  stopAt = Infinity
  /** Bytes that fit; creating or growing files beyond fails with ENOSPC. */
  capacity = Infinity
  /** Asked before each operation; what it gives fails the operation. */
  fault: (operation: 'write' | 'flush' | 'create' | 'rename' | 'remove', name: string) => Error | null = () => null
  stopped = false
  /** Bits of it were flipped, at whatever time. */
  damaged = false
  /** Called when it stops so, before the operation fails. */
  onStop: () => void = () => {}
  /** While it says so, an asynchronous operation does not come to its end. */
  stuck: (operation: 'write' | 'flush' | 'create', name: string) => boolean = () => false
  /** Calls the answers of asynchronous operations; they come in the order of asking. */
  private readonly soon: (fn: () => void) => void
  private readonly dice: () => number
  private files = new Map<string, Inode>()

  constructor(soon: (fn: () => void) => void, dice: () => number) {
    this.soon = soon
    this.dice = dice
  }

  /** The machine loses its power. What a new program finds is another disk; the old one is dead. */
  crash(soon = this.soon): MemoryDisk {
    this.stopped = true
    const next = this.restart(soon)
    for (const inode of next.files.values()) inode.crash(next.dice)
    return next
  }

  /** The program ends and another begins; the kernel still knows what was not flushed. */
  restart(soon = this.soon): MemoryDisk {
    this.stopped = true
    const next = new MemoryDisk(soon, this.dice)
    next.capacity = this.capacity
    next.damaged = this.damaged
    for (const [name, inode] of this.files) {
      const copy = new Inode(0)
      copy.content = Buffer.from(inode.content)
      copy.durable = Buffer.from(inode.durable)
      copy.pending = [...inode.pending]
      next.files.set(name, copy)
    }
    return next
  }

  /** A copy as it is, to try several things on. */
  clone(soon = this.soon): MemoryDisk {
    const next = this.restart(soon)
    this.stopped = false
    return next
  }

  /** For tests that damage a file behind the program's back. */
  bytes(name: string): Buffer {
    return this.inode(name).content
  }

  flip(name: string, at: number, mask = 1): void {
    const inode = this.inode(name)
    this.damaged = true
    for (const bytes of [inode.content, inode.durable]) bytes[at] = (bytes[at] as number) ^ mask
  }

  list(): string[] {
    return [...this.files.keys()].sort()
  }

  size(name: string): number {
    return this.inode(name).content.length
  }

  read(name: string): Uint8Array | null {
    const inode = this.files.get(name)
    return inode === undefined ? null : Buffer.from(inode.content)
  }

  replace(name: string, bytes: Uint8Array): void {
    this.change('create', name)
    const inode = new Inode(0)
    inode.write(bytes, 0)
    inode.flush()
    this.mustFit(bytes.length)
    this.files.set(name, inode)
  }

  rename(from: string, to: string): void {
    const inode = this.inode(from)
    this.change('rename', from)
    this.files.delete(from)
    this.files.set(to, inode)
  }

  remove(name: string): void {
    if (!this.files.has(name)) return
    this.change('remove', name)
    this.files.delete(name)
  }

  recycle(from: string, to: string, done: (error: Error | null, file: DiskFile | null) => void): void {
    let file: DiskFile | null = null
    const work = () => {
      this.rename(from, to)
      file = this.open(to)
    }
    this.background(work, error => done(error, file))
  }

  discard(name: string, done: Done): void {
    this.background(() => this.remove(name), done)
  }

  private background(work: () => void, done: Done): void {
    this.later(() => {
      try {
        work()
      } catch (error) {
        if (error instanceof MachineStopped) throw error
        return done(error as Error)
      }
      done(null)
    })
  }

  open(name: string): DiskFile {
    return new MemoryFile(this, name, this.inode(name))
  }

  create(name: string, size: number, done: (error: Error | null, file: DiskFile | null) => void): void {
    this.later(() => {
      if (this.stuck('create', name)) return this.create(name, size, done)
      let file: DiskFile
      try {
        file = this.createSync(name, size)
      } catch (error) {
        if (error instanceof MachineStopped) throw error
        return done(error as Error, null)
      }
      done(null, file)
    })
  }

  createSync(name: string, size: number): DiskFile {
    this.change('create', name)
    this.mustFit(size)
    const inode = new Inode(size)
    this.files.set(name, inode)
    return new MemoryFile(this, name, inode)
  }

  /** Counts an operation. True where the machine stops in the middle of it. */
  change(operation: 'write' | 'flush' | 'create' | 'rename' | 'remove', name: string): void {
    if (this.stopped) throw new MachineStopped()
    this.operations += 1
    if (this.operations >= this.stopAt) {
      this.stopped = true
      this.onStop()
      throw new MachineStopped()
    }
    const error = this.fault(operation, name)
    if (error !== null) throw error
  }

  get used(): number {
    let used = 0
    for (const { content } of this.files.values()) used += content.length
    return used
  }

  mustFit(more: number): void {
    if (this.capacity < Infinity && this.used + more > this.capacity)
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  }

  later(fn: () => void): void {
    this.soon(() => {
      if (!this.stopped) fn()
    })
  }

  private inode(name: string): Inode {
    const inode = this.files.get(name)
    if (inode === undefined) throw Object.assign(new Error(`ENOENT: no such file ${name}`), { code: 'ENOENT' })
    return inode
  }
}

class MemoryFile implements DiskFile {
  private readonly disk: MemoryDisk
  private readonly name: string
  private readonly inode: Inode
  private busy = false

  constructor(disk: MemoryDisk, name: string, inode: Inode) {
    this.disk = disk
    this.name = name
    this.inode = inode
  }

  write(bytes: Uint8Array, offset: number, done: Done): void {
    this.one('write', () => this.writeSync(bytes, offset), done)
  }

  flush(done: Done): void {
    this.one('flush', () => this.flushSync(), done)
  }

  /** The kernel does the one after the other, and a machine may stop in between. */
  writeThrough(bytes: Uint8Array, offset: number, done: Done): void {
    this.write(bytes, offset, error => {
      if (error === null) this.flush(done)
      else done(error)
    })
  }

  read(offset: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    this.disk.later(() => done(null, this.readSync(offset, length)))
  }

  readSync(offset: number, length: number): Uint8Array {
    return Buffer.from(this.inode.content.subarray(offset, offset + length))
  }

  writeSync(bytes: Uint8Array, offset: number): void {
    // At a stop in the middle of a write some of it may have come to the disk.
    if (this.disk.operations + 1 === this.disk.stopAt) this.inode.write(bytes, offset)
    this.disk.change('write', this.name)
    const growth = offset + bytes.length - this.inode.content.length
    if (growth > 0) this.disk.mustFit(growth)
    this.inode.write(bytes, offset)
  }

  flushSync(): void {
    try {
      this.disk.change('flush', this.name)
    } catch (error) {
      // The kernel reports a failed flush once and believes the pages clean: they may never come to the disk.
      if (!(error instanceof MachineStopped)) this.inode.pending = []
      throw error
    }
    this.inode.flush()
  }

  truncateSync(length: number, size: number): void {
    this.disk.change('write', this.name)
    this.inode.content = Buffer.concat([this.inode.content.subarray(0, length)], size)
    this.inode.pending = []
    this.inode.durable = Buffer.from(this.inode.content)
  }

  close(): void {}

  private one(operation: 'write' | 'flush', work: () => void, done: Done): void {
    if (this.busy) throw new Error('two writes or flushes of one file at a time')
    this.busy = true
    const attempt = (): void => {
      if (this.disk.stuck(operation, this.name)) return this.disk.later(attempt)
      this.busy = false
      try {
        work()
      } catch (error) {
        if (error instanceof MachineStopped) throw error
        return done(error as Error)
      }
      done(null)
    }
    this.disk.later(attempt)
  }
}
