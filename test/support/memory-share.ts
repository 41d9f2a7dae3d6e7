// A share in memory: a tree of folders and files that answers one request at a time, and a driver over it with the
// faults of a real one: answers that come late, operations that are executed after their caller gave up, hanging, errors,
// and folders whose changes other hosts see late.

import type { ShareDone, ShareDriver, ShareOutcome, ShareRequest, ShareSteps } from '../../src/ha/share.ts'
import type { VirtualHost } from './virtual-clock.ts'

const DONE: ShareOutcome = { ok: true, names: [], text: '' }
const fail = (code: string): ShareOutcome => ({ ok: false, code, message: 'memory share' })
const parent = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'
const FOLDER = null

export class MemoryShare {
  /** Path to text; null for a folder. */
  readonly nodes = new Map<string, string | typeof FOLDER>([['/', FOLDER]])
  links = true
  /** As an SMB server: a file that was linked cannot be opened by its new name while it has the other one too. */
  oneNameOnly = false
  readonly #linked = new Map<string, string>()
  #made = 0
  readonly #identity = new Map<string, number>()

  /** Executes one request, at once and wholly. */
  apply(request: ShareRequest): ShareOutcome {
    const { op, path } = request
    if (!this.#isFolder(parent(path)) || ('to' in request && !this.#isFolder(parent(request.to)))) return fail('ENOENT')
    const node = this.nodes.get(path)
    switch (op) {
      case 'mkdir':
        if (node !== undefined) return fail('EEXIST')
        this.#identity.set(path, ++this.#made)
        this.nodes.set(path, FOLDER)
        return DONE
      case 'create':
        if (node !== undefined) return fail('EEXIST')
        this.nodes.set(path, request.text ?? '')
        return DONE
      case 'readdir':
        return this.#isFolder(path) ? { ok: true, names: this.names(path), text: '' } : fail('ENOENT')
      case 'rmdir':
        if (!this.#isFolder(path)) return fail('ENOENT')
        if (this.names(path).length > 0) return fail('ENOTEMPTY')
        this.nodes.delete(path)
        return DONE
      case 'unlink':
        return this.nodes.delete(path) ? DONE : fail('ENOENT')
      case 'rename':
        if (node === undefined) return fail('ENOENT')
        this.nodes.delete(path)
        this.nodes.set(request.to, node)
        return DONE
      case 'link':
        if (!this.links) return fail('EOPNOTSUPP')
        if (node === undefined) return fail('ENOENT')
        if (this.nodes.has(request.to)) return fail('EEXIST')
        this.nodes.set(request.to, node)
        this.#linked.set(request.to, path)
        return DONE
      case 'read':
        if (this.oneNameOnly && this.nodes.has(this.#linked.get(path) ?? '')) return fail('EINVAL')
        return typeof node === 'string' ? { ok: true, names: [], text: node } : fail('ENOENT')
      case 'stat':
        return node === undefined ? fail('ENOENT') : { ok: true, names: [], text: `${this.#identity.get(path)}` }
      case 'syncdir':
        return node === undefined ? fail('ENOENT') : DONE
    }
  }

  names(folder: string): string[] {
    const prefix = folder === '/' ? '/' : `${folder}/`
    const found: string[] = []
    for (const path of this.nodes.keys()) {
      if (path !== '/' && path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
        found.push(path.slice(prefix.length))
    }
    return found.toSorted()
  }

  #isFolder(path: string): boolean {
    return this.nodes.get(path) === FOLDER && this.nodes.has(path)
  }
}

/** Runs steps to their end over a share that answers at once. */
export function runNow<T>(share: MemoryShare, steps: ShareSteps<T>): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next(share.apply(step.value))
  return step.value
}

/** Resumes steps with the same error until they end: a share that is broken. */
export function runBroken<T>(steps: ShareSteps<T>, code: string): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next(fail(code))
  return step.value
}

/** One host's way to the share. */
export class MemoryDriver {
  readonly #share: MemoryShare
  readonly #host: VirtualHost
  /** Every operation takes this long. */
  latencyMs = 1
  /** Nothing is answered and nothing executed until `heal`; then all that hangs is executed. */
  hung = false
  /** Every operation fails with this code. */
  broken = ''
  readonly #hanging: (() => void)[] = []
  readonly requests: ShareRequest[] = []

  constructor(share: MemoryShare, host: VirtualHost) {
    this.#share = share
    this.#host = host
  }

  heal(): void {
    this.hung = false
    this.broken = ''
    for (const execute of this.#hanging.splice(0)) execute()
  }

  /** One operation on its way at a time. */
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
        this.#host.arrive(0, () => resume(null))
      },
    }
  }

  #request(
    lane: { busy: boolean },
    request: ShareRequest,
    limitMs: number,
    done: (outcome: ShareOutcome) => void,
  ): void {
    if (lane.busy) return this.#host.arrive(0, () => done(fail('ETIMEDOUT')))
    this.requests.push(request)
    lane.busy = true
    let waiting = true
    const timer = this.#host.after(limitMs, () => {
      waiting = false
      done(fail('ETIMEDOUT'))
    })
    const execute = (): void => {
      const outcome = this.broken === '' ? this.#share.apply(request) : fail(this.broken)
      this.#host.arrive(this.latencyMs / 2, () => {
        lane.busy = false
        if (!waiting) return
        timer.cancel()
        done(outcome)
      })
    }
    if (this.hung) this.#hanging.push(execute)
    else this.#host.arrive(this.latencyMs / 2, () => (this.hung ? this.#hanging.push(execute) : execute()))
  }
}
