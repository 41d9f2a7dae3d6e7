// The real share over node:fs. Each operation has a time limit of our own on the monotonic clock, for a share that hangs
// gives no error. An abandoned operation stays on its way (it cannot be called back) and holds one of libuv's four
// threads: each lane has at most one on its way, so that a keeper with two lanes keeps its other file I/O.

import { promises as nodeFs } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { Clock } from '../base/ports.ts'

import type { ShareDone, ShareDriver, ShareOutcome, ShareRequest, ShareSteps } from '../ha/share.ts'

/** Far above a record; a larger file is not ours. */
const MAX_READ_BYTES = 65_536
/** Node on Linux has no name for it. */
const ESTALE_ERRNO = -116
/** What shares answer that cannot flush a folder. */
const CANNOT_SYNC = new Set(['EISDIR', 'EINVAL', 'EPERM', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/** What opening a folder, or another's file, for writing is answered with. */
const NOT_WRITABLE = new Set(['EISDIR', 'EACCES', 'EPERM', 'EROFS'])

export type ShareFs = Pick<
  typeof nodeFs,
  'mkdir' | 'rmdir' | 'readdir' | 'rename' | 'link' | 'unlink' | 'stat' | 'open'
>

export class FolderShare {
  readonly #clock: Clock
  readonly #fs: ShareFs
  #onTheirWay = 0

  constructor(clock: Clock, fs: ShareFs = nodeFs) {
    this.#clock = clock
    this.#fs = fs
  }

  /** Operations that have not come back. While one of them hangs, process.exit() may not return. */
  get onTheirWay(): number {
    return this.#onTheirWay
  }

  /** A driver of its own: what hangs in one lane does not hold up another. */
  lane(): ShareDriver {
    const lane = { busy: false }
    return {
      run: <T>(steps: ShareSteps<T>, limitMs: number, done: ShareDone<T>): void => {
        const resume = (outcome: ShareOutcome | null): void => {
          let step: IteratorResult<ShareRequest, T>
          try {
            step = outcome === null ? steps.next() : steps.next(outcome)
          } catch (error) {
            return done(error as Error, undefined)
          }
          if (step.done === true) done(null, step.value)
          else this.#request(lane, step.value, limitMs, resume)
        }
        this.#clock.soon(() => resume(null))
      },
    }
  }

  #request(
    lane: { busy: boolean },
    request: ShareRequest,
    limitMs: number,
    done: (outcome: ShareOutcome) => void,
  ): void {
    if (lane.busy) {
      const message = 'an earlier operation has not come back yet'
      return this.#clock.soon(() => done({ ok: false, code: 'ETIMEDOUT', message }))
    }
    lane.busy = true
    this.#onTheirWay += 1
    let waiting = true
    const settle = (outcome: ShareOutcome): void => {
      lane.busy = false
      this.#onTheirWay -= 1
      if (!waiting) return
      waiting = false
      timer.cancel()
      done(outcome)
    }
    const timer = this.#clock.after(limitMs, () => {
      waiting = false
      done({ ok: false, code: 'ETIMEDOUT', message: `no answer within ${Math.round(limitMs)} ms` })
    })
    this.#perform(request).then(settle, (error: NodeJS.ErrnoException) => settle(failure(error)))
  }

  async #perform(request: ShareRequest): Promise<ShareOutcome> {
    const fs = this.#fs
    switch (request.op) {
      case 'mkdir':
        await fs.mkdir(request.path)
        return DONE
      case 'rmdir':
        await fs.rmdir(request.path)
        return DONE
      case 'readdir':
        return { ok: true, names: await fs.readdir(request.path), text: '' }
      case 'rename':
        await fs.rename(request.path, request.to)
        return DONE
      case 'link':
        await fs.link(request.path, request.to)
        return DONE
      case 'unlink':
        await fs.unlink(request.path)
        return DONE
      case 'create':
        await this.#create(request.path, request.text)
        return DONE
      case 'read':
        return { ok: true, names: [], text: await this.#read(request.path) }
      case 'stat': {
        const { ino, mtimeNs } = await fs.stat(request.path, { bigint: true })
        return { ok: true, names: [], text: `${ino}-${mtimeNs}` }
      }
      case 'syncdir':
        await this.#sync(request.path)
        return DONE
    }
  }

  async #create(path: string, text: string | undefined): Promise<void> {
    const file = await this.#fs.open(path, 'wx')
    try {
      if (text !== undefined) {
        await file.writeFile(text)
        await file.sync()
      }
    } finally {
      await file.close()
    }
  }

  async #read(path: string): Promise<string> {
    const file = await this.#fs.open(path, 'r')
    try {
      const buffer = Buffer.alloc(MAX_READ_BYTES)
      let length = 0
      for (;;) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length, length)
        length += bytesRead
        if (bytesRead === 0 || length === buffer.length) return buffer.toString('utf8', 0, length)
      }
    } finally {
      await file.close()
    }
  }

  /** For writing where that can be: a file opened for reading only is not flushed on SMB, and no error says so. */
  async #toFlush(path: string): Promise<FileHandle> {
    try {
      return await this.#fs.open(path, 'r+')
    } catch (error) {
      if (!NOT_WRITABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
      return await this.#fs.open(path, 'r')
    }
  }

  async #sync(path: string): Promise<void> {
    try {
      const file = await this.#toFlush(path)
      try {
        await file.sync()
      } finally {
        await file.close()
      }
    } catch (error) {
      if (!CANNOT_SYNC.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
}

const DONE: ShareOutcome = { ok: true, names: [], text: '' }

const failure = (error: NodeJS.ErrnoException): ShareOutcome => ({
  ok: false,
  code: error.errno === ESTALE_ERRNO ? 'ESTALE' : (error.code ?? 'EUNKNOWN'),
  message: error.message,
})

/** Runs steps and waits for them; for what happens once at a start, and for tests. */
export const runSteps = <T>(driver: ShareDriver, steps: ShareSteps<T>, limitMs: number): Promise<T> =>
  new Promise((resolve, reject) => {
    driver.run(steps, limitMs, (error, value) => (error === null ? resolve(value as T) : reject(error)))
  })
