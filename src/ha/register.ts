// The register: immutable records `<LockFile>.r<seq>` beside the LockFile, each appended conditionally on its number, and
// marks `<LockFile>.released-<epoch>` that say that a reign's holder has stopped. It needs no clock and no lease: an append
// that is executed late takes its number or it does not. What the records mean is the conductor's business.
//
//   append   write and flush  <LockFile>.tmp-<seq>-<instance>-<n>, link() it to <LockFile>.r<seq>, unlink the first name
//            (an SMB server opens no second name of a file whose first one the client may still cache), flush file and folder
//            whose record it became is decided by reading it back, never by the error code
//            (a share without links: create the record itself exclusively; a crash then can leave a torn one)

import { assert } from '../base/assert.ts'
import { lockError } from './lock-errors.ts'
import { decodeRecord, encodeRecord } from './record-text.ts'
import type { RegisterRecord } from './record.ts'
import { ShareError, share } from './share.ts'
import type { ShareSteps } from './share.ts'

/** This many records behind the newest are kept for a person who wants to know what happened. */
const KEPT_RECORDS = 16
/** At most this many old files are removed at a time, so that pruning never holds up an append for long. */
const PRUNED_AT_ONCE = 8
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
const DIGITS = 10

export type AppendOutcome = 'won' | 'lost' | 'unknown'

/** A file beside the LockFile, and what its name says: the number of a record or the epoch of a mark, else 0. */
interface Beside {
  readonly name: string
  readonly seq: number
  readonly epoch: number
}

/** What is beside the LockFile, from one reading of its folder. */
interface Listing {
  /** All names in the folder. */
  readonly all: readonly string[]
  readonly newest: number
  readonly epochMarked: number
  readonly ours: readonly Beside[]
}

export class Register {
  readonly #lockFile: string
  readonly #folder: string
  readonly #base: string
  readonly #instance: string
  #written = 0
  #linkless = false
  #record: RegisterRecord | null = null
  #known = false
  #highest = 0
  #releasedEpoch = 0
  #listing: Listing = { all: [], newest: 0, epochMarked: 0, ours: [] }
  #beside: readonly Beside[] = []
  #tornSeq = 0
  #rolledBack = false

  /** `lockFile` is an absolute path with forward slashes. */
  constructor(lockFile: string, instance: string) {
    const slash = lockFile.lastIndexOf('/')
    assert(slash >= 0 && slash < lockFile.length - 1, 'the LockFile is a file in a folder')
    this.#lockFile = lockFile
    this.#folder = lockFile.slice(0, slash) || '/'
    this.#base = lockFile.slice(slash + 1)
    this.#instance = instance
  }

  /** The newest record; null with `known` where the register is empty, null without where the newest could not be read. */
  get record(): RegisterRecord | null {
    return this.#known ? this.#record : null
  }

  get known(): boolean {
    return this.#known
  }

  /** Highest epoch whose holder is marked as stopped; 0: none. */
  get releasedEpoch(): number {
    return this.#releasedEpoch
  }

  /** Reads marks and the newest record. Throws ShareError, LOCK-RECORD-DAMAGED or LOCK-ROLLED-BACK. */
  *look(): ShareSteps<void> {
    const { newest, epochMarked, ours } = yield* this.#list()
    this.#beside = ours
    this.#releasedEpoch = Math.max(this.#releasedEpoch, epochMarked)
    if (newest < this.#highest) return yield* this.#confirmRollback(newest)
    if (newest === 0) {
      this.#rolledBack = false
      this.#known = true
      return
    }
    this.#rolledBack = false
    if (this.#known && this.#record?.seq === newest) return
    yield* this.#readNewest(newest)
  }

  /**
   * Appends `record`. won: it is there, durably. lost: another has its number. unknown: neither is sure; asking again with
   * the same record finds out. An earlier attempt may still be executed at any time.
   */
  *append(record: RegisterRecord): ShareSteps<AppendOutcome> {
    assert(record.seq >= 1 && record.seq < 10 ** DIGITS, 'a record has a number of ten digits')
    // An operator forces a server over a register that was rolled back or lost: its predecessors are gone for good.
    const forced = record.reason === 'force active'
    if (!forced && (this.#rolledBack || record.seq > this.#highest + 1)) yield* this.look()
    // Its predecessor is not to be seen here: never leave a gap.
    if (!forced && record.seq > this.#highest + 1) return 'unknown'
    const path = this.#recordPath(record.seq)
    const text = encodeRecord(record)
    let temporary = ''
    try {
      if (!this.#linkless) {
        temporary = `${this.#path('tmp-')}${pad(record.seq)}-${this.#instance}-${++this.#written}`
        yield* share({ op: 'create', path: temporary, text })
        yield* this.#link(temporary, path)
        yield* ignoring(share({ op: 'unlink', path: temporary }))
      }
      if (this.#linkless) yield* share({ op: 'create', path, text })
    } catch (error) {
      if (!(error instanceof ShareError)) throw error
      if (temporary !== '') yield* ignoring(share({ op: 'unlink', path: temporary }))
      const outcome = yield* this.#whose(record)
      if (outcome === 'unknown' && error.code !== 'EEXIST') throw error
      if (outcome !== 'won') return outcome
    }
    yield* this.#flush(record.seq)
    // A share whose machine crashed between the two may have forgotten the name before it was flushed.
    const outcome = yield* this.#whose(record)
    if (outcome !== 'won') return outcome
    this.#adopt(record)
    return 'won'
  }

  /** Does all of an append that can fail but for giving the file a record's name. One that hangs may leave a file to be pruned. */
  *probe(): ShareSteps<void> {
    const path = `${this.#path('tmp-')}${pad(this.#highest)}-${this.#instance}-${++this.#written}`
    try {
      yield* share({ op: 'create', path, text: 'can a record be written?\n' })
    } finally {
      yield* ignoring(share({ op: 'unlink', path }))
    }
  }

  /** Leaves the mark that the holder of `epoch` does not act any more. */
  *mark(epoch: number): ShareSteps<void> {
    assert(epoch > 0, 'a reign has a number')
    try {
      yield* share({ op: 'create', path: `${this.#path('released-')}${epoch}` })
    } catch (error) {
      if (!(error instanceof ShareError) || error.code !== 'EEXIST') throw error
    }
    this.#releasedEpoch = Math.max(this.#releasedEpoch, epoch)
    yield* share({ op: 'syncdir', path: this.#folder })
  }

  /** Whether `prune` has anything to do, as far as the last look showed. */
  get prunable(): boolean {
    return this.#prunable().length > 0
  }

  /** Removes records well behind the newest, old marks and left-over temporary files; a few at a time. */
  *prune(): ShareSteps<void> {
    for (const name of this.#prunable().slice(0, PRUNED_AT_ONCE)) {
      this.#beside = this.#beside.filter(other => other.name !== name)
      yield* ignoring(share({ op: 'unlink', path: this.#path(name.slice(this.#base.length + 1)) }))
    }
  }

  #prunable(): string[] {
    const { record } = this
    if (record === null) return []
    const oldest = record.seq - KEPT_RECORDS
    const old = this.#beside.filter(({ name, seq, epoch }) => {
      if (seq > 0) return seq < oldest
      if (epoch > 0) return epoch < record.epoch && epoch < this.#releasedEpoch
      if (!name.startsWith(`${this.#base}.tmp-`)) return false
      const [number = '', instance] = name.slice(this.#base.length + 5).split('-')
      return instance === this.#instance ? Number(number) <= record.seq : Number(number) < oldest
    })
    return old.map(({ name }) => name)
  }

  #path(suffix: string): string {
    return `${this.#lockFile}.${suffix}`
  }

  #recordPath(seq: number): string {
    return `${this.#path('r')}${pad(seq)}`
  }

  #parse(name: string): Beside {
    return { name, seq: numberOf(name, `${this.#base}.r`), epoch: numberOf(name, `${this.#base}.released-`) }
  }

  *#list(): ShareSteps<Listing> {
    const { names: all } = yield* share({ op: 'readdir', path: this.#folder })
    // Nearly always nothing has changed.
    const before = this.#listing.all
    if (all.length !== before.length || all.some((name, n) => name !== before[n])) this.#listing = this.#read(all)
    return this.#listing
  }

  #read(all: readonly string[]): Listing {
    const ours = all.flatMap(name => (name.startsWith(`${this.#base}.`) ? [this.#parse(name)] : []))
    const newest = ours.reduce((most, { seq }) => Math.max(most, seq), 0)
    const epochMarked = ours.reduce((most, { epoch }) => Math.max(most, epoch), 0)
    return { all, newest, epochMarked, ours }
  }

  /** A listing may lag behind; a record that cannot be opened any more is gone. */
  *#confirmRollback(newest: number): ShareSteps<void> {
    try {
      yield* share({ op: 'read', path: this.#recordPath(this.#highest) })
    } catch (error) {
      if (!(error instanceof ShareError) || error.code !== 'ENOENT') throw error
      this.#rolledBack = true
      throw lockError('ROLLED-BACK', { lockFile: this.#lockFile, seen: this.#highest, found: newest || 'none' })
    }
  }

  *#readNewest(seq: number): ShareSteps<void> {
    const path = this.#recordPath(seq)
    this.#known = false
    let text: string
    try {
      text = (yield* share({ op: 'read', path })).text
    } catch (error) {
      // Listed, but not to be opened yet: the next look will.
      if (error instanceof ShareError && error.code === 'ENOENT') return
      throw error
    }
    const decoded = decodeRecord(text, seq)
    if (typeof decoded !== 'string') return yield* this.#learn(decoded)
    // Without links a record can be seen while it is being written: damaged is what two looks find damaged.
    const again = this.#tornSeq === seq
    this.#tornSeq = seq
    if (again) throw lockError('RECORD-DAMAGED', { file: path, detail: decoded })
  }

  /**
   * SMB flushes no folders. Flushing the file itself after it has got its name makes the name durable there; and an earlier
   * attempt may have been cut off before it was written out.
   */
  *#flush(seq: number): ShareSteps<void> {
    yield* share({ op: 'syncdir', path: this.#recordPath(seq) })
    yield* share({ op: 'syncdir', path: this.#folder })
  }

  /**
   * Another's record counts from when it is durable, and whoever reads it first sees to that: its writer may be cut off
   * before he flushed it, and a gateway that loses its power then would seem to have gone back.
   */
  *#learn(record: RegisterRecord): ShareSteps<void> {
    if (record.seq > this.#highest) yield* this.#flush(record.seq)
    this.#adopt(record)
  }

  #adopt(record: RegisterRecord): void {
    // A look that began before an append can end after it.
    if (this.#record !== null && this.#record.seq > record.seq) return
    this.#record = record
    this.#known = true
    this.#tornSeq = 0
    this.#highest = Math.max(this.#highest, record.seq)
  }

  *#link(temporary: string, path: string): ShareSteps<void> {
    try {
      yield* share({ op: 'link', path: temporary, to: path })
    } catch (error) {
      if (!(error instanceof ShareError) || !NO_LINKS.has(error.code)) throw error
      this.#linkless = true
    }
  }

  /** Whose record has this number? */
  *#whose(record: RegisterRecord): ShareSteps<AppendOutcome> {
    let text: string
    try {
      text = (yield* share({ op: 'read', path: this.#recordPath(record.seq) })).text
    } catch (error) {
      if (error instanceof ShareError) return 'unknown'
      throw error
    }
    const decoded = decodeRecord(text, record.seq)
    if (typeof decoded === 'string') return 'unknown'
    if (decoded.id === record.id) return 'won'
    yield* this.#learn(decoded)
    return 'lost'
  }
}

const DECIMAL = /^\d{1,10}$/

const pad = (seq: number): string => String(seq).padStart(DIGITS, '0')

/** The number after `prefix`; 0 where the name is of another kind. */
const numberOf = (name: string, prefix: string): number => {
  if (!name.startsWith(prefix)) return 0
  const rest = name.slice(prefix.length)
  return DECIMAL.test(rest) && (rest.length === DIGITS || !prefix.endsWith('.r')) ? Number(rest) : 0
}

function* ignoring<T>(steps: ShareSteps<T>): ShareSteps<void> {
  try {
    yield* steps
  } catch (error) {
    if (!(error instanceof ShareError)) throw error
  }
}
