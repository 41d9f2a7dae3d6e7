// The lease: a lock with a time limit, as a compare-and-swap on the name of one token file in the lock folder. Each side
// measures with its own monotonic clock only; nothing here reads a file's time. What it is not: a loop (keeper.ts), and
// no source of truth about who holds which data (register.ts).
//
//   renew     rename  <hold>.k -> <hold>.k+1          succeeds only while the token is still mine
//   take over rename  <silent token> -> <mine>.0      competes for the same source name as the holder's renewal
//   fresh     mkdir, create <mine>.0 exclusively      the folder must then show my token alone
//   release   unlink <mine>.k, rmdir                  fails where anything of another is there
//
// An operation may fail though it was executed, and may be executed long after its caller gave up. So no change is
// decided by an error code alone (names are read back), and none names anything that a later holder could own.

import type { Clock } from '../base/ports.ts'
import { assert } from '../base/assert.ts'
import { ShareError, share } from './share.ts'
import type { ShareSteps } from './share.ts'
import { holdName, isRubbish, isToken, parseToken } from './token.ts'

export interface LeaseOptions {
  /** The lock folder, `<LockFile>.lock`. */
  readonly folder: string
  /** This server's label. */
  readonly node: string
  /** This process: unique in history. */
  readonly instance: string
  readonly leaseMs: number
  readonly marginMs: number
}

/** What the lock folder showed, and since when (monotonic) it has shown exactly this. */
export interface Seen {
  /** All tokens joined; `empty:<identity>` or `absent`. */
  readonly key: string
  readonly tokens: readonly string[]
  readonly since: number
}

export class Lease {
  readonly #options: LeaseOptions
  readonly #clock: Clock
  #generation = 0
  #count = 0
  #discarded = 0
  #held = false
  #deadline = -1
  #renewedAt = -1
  #renewedWall = -1
  /** Start of the earliest renewal whose outcome is unknown; all of them since have the same source and target. */
  #pending: { readonly at: number; readonly wall: number } | null = null
  #seen: Seen | null = null
  /** Names that a release has not surely removed yet. */
  #leftovers: string[] = []
  #busy = false

  constructor(options: LeaseOptions, clock: Clock) {
    assert(/^[a-z0-9_]+$/.test(options.node), 'a node is named in small letters')
    assert(/^[0-9a-f]+$/.test(options.instance), 'an instance is named in hexadecimal digits')
    assert(Number.isInteger(options.leaseMs) && options.marginMs < options.leaseMs, 'the margin is part of the lease')
    this.#options = options
    this.#clock = clock
  }

  /** True from an acquisition until the lock is given up or found lost; it may have run out meanwhile: `valid`. */
  get held(): boolean {
    return this.#held
  }

  /** Until then nobody else can hold the lock; -1 while not held. */
  get deadline(): number {
    return this.#deadline
  }

  get renewedAt(): number {
    return this.#renewedAt
  }

  get renewedWall(): number {
    return this.#renewedWall
  }

  /** The name of my token; '' while not held. */
  get token(): string {
    return this.#held ? this.#name(this.#count) : ''
  }

  get seen(): Seen | null {
    return this.#seen
  }

  /** True while a release has not surely removed its token: `release` again. */
  get unreleased(): boolean {
    return this.#leftovers.length > 0
  }

  /** May the holder act at this moment? To be asked at the moment of acting. */
  valid(now = this.#clock.now()): boolean {
    return this.#held && now < this.#deadline
  }

  /**
   * One look; takes the lock where that is possible now. `freedToken` names a hold whose owner said that it has ended:
   * its token is taken without waiting. False: somebody else has it, or was quicker.
   */
  *acquire(freedToken = ''): ShareSteps<boolean> {
    assert(!this.#held, 'a lock that is held is not acquired again')
    return yield* this.#alone(this.#acquire(freedToken))
  }

  /** False: the lock is lost. Throws ShareError where the outcome is unknown; the deadline then stays where it is. */
  *renew(): ShareSteps<boolean> {
    return yield* this.#alone(this.#renew())
  }

  *observe(): ShareSteps<Seen> {
    return yield* this.#alone(this.#observe())
  }

  /** Ends the lease at once, before anything is done on the share. */
  giveUp(): void {
    if (!this.#held) return
    // A renewal may be under way or be executed late: its target is to be removed too.
    this.#leftovers.push(this.#name(this.#count), this.#name(this.#count + 1))
    this.#end()
  }

  /** Gives up and removes my token. Throws ShareError where that is not sure: call it again. */
  *release(): ShareSteps<void> {
    this.giveUp()
    yield* this.#alone(this.#removeLeftovers())
  }

  *#alone<T>(steps: ShareSteps<T>): ShareSteps<T> {
    assert(!this.#busy, 'one operation of a lease at a time')
    this.#busy = true
    try {
      return yield* steps
    } finally {
      this.#busy = false
    }
  }

  #name(count: number): string {
    const { node, instance, leaseMs } = this.#options
    return `${holdName(node, instance, this.#generation, leaseMs)}.${count}`
  }

  #path(name: string): string {
    return `${this.#options.folder}/${name}`
  }

  #end(): void {
    this.#held = false
    this.#deadline = -1
    this.#pending = null
    this.#seen = null
  }

  #begin(at: number, wall: number): true {
    this.#held = true
    this.#count = 0
    this.#pending = null
    this.#seen = null
    // The folder shows my new token alone, and no name of an older one can come into being any more.
    this.#leftovers = []
    this.#extend({ at, wall })
    return true
  }

  #extend(from: { readonly at: number; readonly wall: number }): void {
    this.#deadline = from.at + this.#options.leaseMs - this.#options.marginMs
    this.#renewedAt = from.at
    this.#renewedWall = from.wall
  }

  *#names(): ShareSteps<readonly string[]> {
    return (yield* share({ op: 'readdir', path: this.#options.folder })).names
  }

  *#tokens(): ShareSteps<string[]> {
    return (yield* this.#names()).filter(isToken).toSorted()
  }

  /** The tokens, where a folder that is not there has none. */
  *#tokensOrNone(): ShareSteps<string[]> {
    try {
      return yield* this.#tokens()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  }

  *#observe(): ShareSteps<Seen> {
    let key = 'absent'
    let tokens: string[] = []
    try {
      tokens = yield* this.#tokens()
      key = tokens.join('|')
      // An empty folder is somebody between two steps; its identity tells whether it is still the same one's.
      if (key === '') key = `empty:${(yield* share({ op: 'stat', path: this.#options.folder })).text}`
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      key = 'absent'
      tokens = []
    }
    // Read after the answer: silence is counted from a moment at which the name surely was there already.
    if (this.#seen?.key !== key) this.#seen = { key, tokens, since: this.#clock.now() }
    return this.#seen
  }

  *#acquire(freedToken: string): ShareSteps<boolean> {
    const startedAt = this.#clock.now()
    const startedWall = this.#clock.wall()
    const seen = yield* this.#observe()
    if (seen.key === 'absent') {
      this.#generation += 1
      if (!(yield* this.#make())) return false
      return yield* this.#claim(startedAt, startedWall)
    }
    if (!this.#mayTake(seen, freedToken)) return false
    this.#generation += 1
    return seen.tokens.length === 0
      ? yield* this.#claim(startedAt, startedWall)
      : yield* this.#takeOver(seen.tokens, startedAt, startedWall)
  }

  /** Silence long enough, counted by the longer of both leases; or every token known to be nobody's. */
  #mayTake(seen: Seen, freedToken: string): boolean {
    const freed = parseToken(freedToken)?.hold
    let lease = this.#options.leaseMs
    let nobodys = seen.tokens.length > 0
    for (const name of seen.tokens) {
      const token = parseToken(name)
      lease = Math.max(lease, token?.leaseMs ?? 0)
      // A token of this very process that it does not hold: left by an operation that was executed late.
      const mine = token?.node === this.#options.node && token.instance === this.#options.instance
      if (!mine && (freed === undefined || token?.hold !== freed)) nobodys = false
    }
    return nobodys || this.#clock.now() - seen.since >= lease
  }

  *#make(): ShareSteps<boolean> {
    try {
      yield* share({ op: 'mkdir', path: this.#options.folder })
      return true
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false
      throw error
    }
  }

  /** Puts my first token into an empty folder. Two that do this at once each see the other's, and at least one goes back. */
  *#claim(startedAt: number, startedWall: number): ShareSteps<boolean> {
    const mine = this.#name(0)
    try {
      yield* share({ op: 'create', path: this.#path(mine) })
      if (yield* this.#isAlone(mine)) return this.#begin(startedAt, startedWall)
    } catch (error) {
      yield* this.#backOff(mine)
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
    yield* this.#backOff(mine)
    return false
  }

  *#takeOver(tokens: readonly string[], startedAt: number, startedWall: number): ShareSteps<boolean> {
    const mine = this.#name(0)
    const [silent = '', ...strays] = tokens
    this.#seen = null
    try {
      yield* share({ op: 'rename', path: this.#path(silent), to: this.#path(mine) })
    } catch (error) {
      // It may have been executed all the same. If it is executed later, my name is a stray of nobody.
      if (!(yield* this.#tokensOrNone()).includes(mine)) {
        if (codeOf(error) === 'ENOENT') return false
        throw error
      }
    }
    try {
      // Each stray is taken by rename, which has one winner (unlink was seen to have two), then thrown away.
      for (const stray of strays) {
        const rubbish = `d${this.#name(this.#discarded++).slice(1)}`
        yield* share({ op: 'rename', path: this.#path(stray), to: this.#path(rubbish) })
      }
      // A second opinion, after a change of my own and therefore fresh.
      if (yield* this.#isAlone(mine)) return this.#begin(startedAt, startedWall)
    } catch (error) {
      yield* this.#backOff(mine)
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
    yield* this.#backOff(mine)
    return false
  }

  *#isAlone(mine: string): ShareSteps<boolean> {
    const names = yield* this.#names()
    for (const name of names) {
      if (isRubbish(name)) yield* ignoring(share({ op: 'unlink', path: this.#path(name) }))
    }
    const tokens = names.filter(isToken)
    return tokens.length === 1 && tokens[0] === mine
  }

  /** Takes my token away again; what fails here is left for the silence of others, or for this process's next try. */
  *#backOff(mine: string): ShareSteps<void> {
    this.#seen = null
    yield* ignoring(share({ op: 'unlink', path: this.#path(mine) }))
    yield* ignoring(share({ op: 'rmdir', path: this.#options.folder }))
  }

  *#renew(): ShareSteps<boolean> {
    if (!this.#held) return false
    const start = { at: this.#clock.now(), wall: this.#clock.wall() }
    const generation = this.#generation
    const next = this.#name(this.#count + 1)
    let countsFrom = start
    try {
      yield* share({ op: 'rename', path: this.#path(this.#name(this.#count)), to: this.#path(next) })
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        this.#pending ??= start
        throw error
      }
      // Lost; or an earlier attempt got through, or this one did and was repeated under way: then it counts from the start
      // of the earliest that can have done it.
      const tokens = yield* this.#tokensOrNone()
      if (!this.#stillHolds(generation)) return false
      if (!tokens.includes(next)) {
        this.#end()
        return false
      }
      countsFrom = this.#pending ?? start
    }
    // Given up while the operation was under way: giveUp has noted the new name for removal.
    if (!this.#stillHolds(generation)) return false
    this.#count += 1
    this.#pending = null
    this.#extend(countsFrom)
    return true
  }

  #stillHolds(generation: number): boolean {
    return this.#held && this.#generation === generation
  }

  *#removeLeftovers(): ShareSteps<void> {
    if (this.#leftovers.length === 0) return
    // In the order of renewals: once a name is surely gone, nothing can turn it into the next one any more.
    for (let name = this.#leftovers[0]; name !== undefined; name = this.#leftovers[0]) {
      try {
        yield* share({ op: 'unlink', path: this.#path(name) })
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
      }
      this.#leftovers.shift()
    }
    try {
      yield* share({ op: 'rmdir', path: this.#options.folder })
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) throw error
    }
  }
}

const codeOf = (error: unknown): string => {
  if (error instanceof ShareError) return error.code
  throw error
}

function* ignoring<T>(steps: ShareSteps<T>): ShareSteps<void> {
  try {
    yield* steps
  } catch (error) {
    codeOf(error)
  }
}
