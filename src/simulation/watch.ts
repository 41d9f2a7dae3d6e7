// The checkers of safety. They see what no server sees: true time, both disks, the share itself; and they look at every
// acknowledgement, delivery, record of the LockFile and change of a journal. What they find is a violation of a promise
// (docs/promises.md), told in words. They never touch the servers.

import type { RegisterRecord, ServerLabel } from '../ha/record.ts'
import type { FileJournal } from '../journal/journal.ts'
import type { Position } from '../journal/position.ts'
import { RecordWalk } from '../journal/record.ts'
import type { RecordBatch } from '../journal/types.ts'
import type { Timeline } from './timeline.ts'

/** Thrown to end a run. */
export class Violation extends Error {
  readonly promise: string
  constructor(promise: string, text: string) {
    super(`${promise}: ${text}`)
    this.promise = promise
  }
}

/** What lies on one server's disk, record by record. */
class Shadow {
  label: ServerLabel = 'primary'
  storeId = ''
  digests: number[] = [0]
  epochs: number[] = [0]
  /** Highest sequence that was reported as durable. */
  flushed = 0
  /** Where a snapshot took the place of what was before. */
  base = 0
  /** Bits flipped on it, or its disk is not to be trusted any more. */
  damaged = false
}

interface Act {
  readonly epoch: number
  readonly actor: string
  readonly at: number
}

export class Watch {
  /** After an operator has accepted a loss, or the share was rolled back: what was acknowledged before may be gone. */
  excused = 0
  onViolation: (violation: Violation) => void = () => {}
  acts = 0
  records = 0
  readonly #timeline: Timeline
  readonly #say: (line: string) => void
  readonly #shadows = new Map<string, Shadow>()
  /** The one digest of each record ever made, by epoch and sequence. */
  readonly #truth = new Map<number, number[]>()
  readonly #holders = new Map<number, string>()
  #lastAct: Act = { epoch: 0, actor: 'nobody', at: 0 }
  #acknowledged = { sequence: 0, digest: 0, epoch: 0 }
  /** What was known when a record was ordered, by its id. */
  readonly #known = new Map<string, number>()
  #newest: RegisterRecord | null = null
  /** The share's records say less than is true: each new one is judged by itself. */
  rolledBack = false
  /** A number was given a second time, by a server that did not know of the first. */
  undetected = false
  /** An operator's word has become a record: what the other server acknowledged until now may be gone. */
  onForced: () => void = () => {}
  /** A record in place of one that the share forgot, and the newest that its server knew of, also by its peer's word. */
  onUndetected: (record: RegisterRecord, known: number) => void = () => {}
  /** The only copy that is in sync has lost its newest batch to damage at rest, which nothing tells from a torn one. */
  onDamagedTail: (label: ServerLabel) => void = () => {}
  /** Highest record number known to have been there, also before a rollback. */
  highest = 0

  constructor(timeline: Timeline, say: (line: string) => void) {
    this.#timeline = timeline
    this.#say = say
  }

  #found(promise: string, text: string): Violation {
    const violation = new Violation(promise, text)
    // Told at once: production code on the way may take what is thrown for a fault of the world.
    this.onViolation(violation)
    return violation
  }

  get newest(): RegisterRecord | null {
    return this.#newest
  }

  get acknowledged(): number {
    return this.#acknowledged.sequence
  }

  shadow(storeId: string): Shadow {
    let shadow = this.#shadows.get(storeId)
    if (shadow === undefined) {
      shadow = new Shadow()
      shadow.storeId = storeId
      this.#shadows.set(storeId, shadow)
    }
    return shadow
  }

  damaged(storeId: string): void {
    this.shadow(storeId).damaged = true
  }

  /** The newest epoch of its journal: who has a record of a reign knows of the LockFile record that began it. */
  epochOf(storeId: string): number {
    const { damaged, epochs, flushed } = this.shadow(storeId)
    return damaged ? 0 : (epochs[flushed] ?? 0)
  }

  /** Damage at rest took acknowledged records from this copy, in a way that it cannot know: see A7 of docs/safety.md. */
  lostToDamage(storeId: string): boolean {
    const shadow = this.shadow(storeId)
    return shadow.damaged && shadow.flushed < this.acknowledged
  }

  /** What was acknowledged up to now may be gone from here on: an operator said so, or a trusted thing broke its promise. */
  excuse(why: string): void {
    this.excused += 1
    this.#acknowledged = { sequence: 0, digest: 0, epoch: 0 }
    this.#say(`(from here on, what was acknowledged before is excused: ${why})`)
  }

  // P1: one server serves.

  /** A server acknowledges or delivers at this very moment. */
  act(label: ServerLabel, instance: string, epoch: number, what: string): void {
    this.acts += 1
    const actor = `${label} ${instance.slice(0, 4)}`
    const last = this.#lastAct
    const { now } = this.#timeline
    if (epoch < last.epoch)
      throw this.#found(
        'P1',
        `the ${label} ${what} in epoch ${epoch}, though the ${last.actor} acted in epoch ${last.epoch} ${(now - last.at).toFixed(1)} ms before`,
      )
    const holder = this.#holders.get(epoch)
    if (holder === undefined) this.#holders.set(epoch, actor)
    else if (holder !== actor) throw this.#found('P5', `epoch ${epoch} is acted in by ${holder} and by ${actor}`)
    if (epoch !== last.epoch) this.#say(`${actor} begins to act in epoch ${epoch}`)
    this.#lastAct = { epoch, actor, at: now }
  }

  // P2: acknowledged means durable, on every server that the newest record lists.

  committed(label: ServerLabel, storeId: string, sequence: number): void {
    const shadow = this.shadow(storeId)
    const digest = shadow.digests[sequence]
    const epoch = shadow.epochs[sequence]
    if (digest === undefined || epoch === undefined) {
      if (sequence <= shadow.base) return
      throw this.#found('P2', `the ${label} acknowledges record ${sequence}, which is not in its journal`)
    }
    const record = this.#newest
    if (record === null) throw this.#found('P2', `the ${label} acknowledges without a record in the LockFile`)
    if (sequence > this.#acknowledged.sequence) this.#acknowledged = { sequence, digest, epoch }
    if (!record.inSync.some(member => member.store === storeId))
      throw this.#found(
        'P2',
        `the ${label} acknowledges record ${sequence}, but LockFile record ${record.seq} does not list it`,
      )
    this.#holdsAll(record, `${label} acknowledges record ${sequence}`)
  }

  #holdsAll(record: RegisterRecord, when: string): void {
    const { sequence, digest } = this.#acknowledged
    if (sequence === 0) return
    for (const { server, store } of record.inSync) {
      const shadow = this.shadow(store)
      if (shadow.flushed < sequence)
        throw this.#found(
          'P2',
          `${when}: the ${server} is listed in LockFile record ${record.seq} (${record.reason}) and has only ${shadow.flushed} of ${sequence} acknowledged records`,
        )
      const there = shadow.digests[sequence]
      if (there !== undefined && there !== digest)
        throw this.#found(
          'P4',
          `${when}: the ${server} is listed in LockFile record ${record.seq} (${record.reason}) and has another record ${sequence} than the acknowledged one`,
        )
    }
  }

  // P3, P5: the LockFile's records.

  /** A server has a record appended, once or again. What it learns later stops nobody. */
  ordered({ id, reason, seq }: RegisterRecord, by: { readonly mk: number; readonly storeId: string }): void {
    // An operator who forces a server has looked.
    const known = reason === 'force active' ? seq - 1 : Math.max(by.mk, this.epochOf(by.storeId))
    if (!this.#known.has(id)) this.#known.set(id, known)
  }

  linked(record: RegisterRecord): void {
    this.records += 1
    const undetected = this.rolledBack && record.seq <= this.highest
    this.highest = Math.max(this.highest, record.seq)
    const before = this.rolledBack ? null : this.#newest
    this.#newest = record
    if (undetected && !this.undetected) {
      this.undetected = true
      // What the other server acknowledged since the share went back is lost with it, and the seed ends here.
      return this.onUndetected(record, this.#known.get(record.id) ?? 0)
    }
    const listed = record.inSync.map(({ server }) => server).join('+')
    this.#say(
      `LockFile record ${record.seq}: ${record.reason}, epoch ${record.epoch}, ${record.holder}, in sync: ${listed}`,
    )
    if (before !== null && record.epoch < before.epoch)
      throw this.#found('P5', `LockFile record ${record.seq} has epoch ${record.epoch} after ${before.epoch}`)
    const forced = record.reason === 'force active'
    if (record.epoch === record.seq && before !== null && !forced) {
      const holder = record.inSync.find(({ server }) => server === record.holder)
      if (!before.inSync.some(({ store }) => store === holder?.store))
        throw this.#found(
          'P3',
          `the ${record.holder} takes over with LockFile record ${record.seq} (${record.reason}), though record ${before.seq} does not list it`,
        )
    }
    if (forced) this.onForced()
    else this.#holdsAll(record, `at LockFile record ${record.seq}`)
    if (record.inSync.length > 1) this.#agree(record)
  }

  /** P4: who are listed together have the same records up to the record's position. */
  #agree(record: RegisterRecord): void {
    const { sequence, digest } = record.position
    for (const { server, store } of record.inSync) {
      const there = this.shadow(store).digests[sequence]
      if (sequence > this.shadow(store).flushed || (there !== undefined && there !== digest))
        throw this.#found(
          'P4',
          `LockFile record ${record.seq} lists both, but the ${server} does not have position ${record.epoch}/${sequence}`,
        )
    }
  }

  /** The share forgot: these are the records that are there now. */
  forgotten(newest: RegisterRecord | null): void {
    // After a share went back (A2) both servers know of newer records than there are.
    if (!this.rolledBack) this.#newest = newest
  }

  // P5, P7: the journals.

  /** A server has opened its journal. */
  opened(
    label: ServerLabel,
    storeId: string,
    journal: FileJournal,
    quarantined: () => readonly { from: number; to: number }[],
  ): void {
    const shadow = this.shadow(storeId)
    shadow.label = label
    const { last, start } = journal
    // It may have died between putting records aside and telling so.
    const kept = coveredThrough(last.sequence, shadow.flushed, quarantined())
    if (
      kept < shadow.flushed &&
      shadow.damaged &&
      this.#newest?.inSync.every(({ store }) => store === storeId) === true
    )
      this.onDamagedTail(label)
    if (kept < shadow.flushed && !shadow.damaged)
      throw this.#found('P2', `the ${label} restarts with ${last.sequence} records, but ${shadow.flushed} were durable`)
    const there = shadow.digests[last.sequence]
    if (there !== undefined && there !== last.digest && !shadow.damaged)
      throw this.#found('P2', `the ${label} restarts with another record ${last.sequence} than the one it wrote`)
    this.#cut(shadow, last.sequence)
    shadow.digests[last.sequence] = last.digest
    shadow.epochs[last.sequence] = last.epoch
    shadow.flushed = last.sequence
    shadow.base = Math.max(shadow.base, start.sequence)
    this.#follow(shadow, journal, quarantined)
  }

  #follow(shadow: Shadow, journal: FileJournal, quarantined: () => readonly { from: number; to: number }[]): void {
    const { onBatch, onFlushed } = journal
    journal.onBatch = batch => {
      this.#batch(shadow, batch)
      onBatch(batch)
    }
    journal.onFlushed = position => {
      if (position.sequence > shadow.flushed) shadow.flushed = position.sequence
      onFlushed(position)
    }
    const rewind = journal.rewind.bind(journal)
    journal.rewind = (position, reason) => {
      const had = shadow.flushed
      const name = rewind(position, reason)
      this.#vanished(shadow, position, had, quarantined())
      this.#cut(shadow, position.sequence)
      return name
    }
    const install = journal.installSnapshot.bind(journal)
    journal.installSnapshot = (info, reason) => {
      const had = shadow.flushed
      const from = journal.start
      const writer = install(info, reason)
      const finish = writer.finish.bind(writer)
      writer.finish = done =>
        finish(error => {
          if (error === null) {
            this.#vanished(shadow, from, had, quarantined())
            this.#cut(shadow, 0)
            const { sequence, digest, epoch } = info.position
            shadow.digests[sequence] = digest
            shadow.epochs[sequence] = epoch
            shadow.flushed = sequence
            shadow.base = sequence
          }
          done(error)
        })
      return writer
    }
  }

  #batch(shadow: Shadow, batch: RecordBatch): void {
    const digest = shadow.digests[batch.first - 1]
    const epoch = shadow.epochs[batch.first - 1]
    if (digest === undefined || epoch === undefined)
      throw this.#found('P5', `the ${shadow.label} writes record ${batch.first} onto nothing`)
    if (batch.first <= shadow.flushed)
      throw this.#found('P7', `the ${shadow.label} writes record ${batch.first} over ${shadow.flushed} durable ones`)
    const walk = new RecordWalk(batch.bytes, 0, batch.bytes.length, { epoch, sequence: batch.first - 1, digest })
    if (shadow.digests.length > batch.first) shadow.digests.length = shadow.epochs.length = batch.first
    let truth: number[] = []
    let of = -1
    while (walk.step(false)) {
      if (walk.epoch !== of) truth = this.#truthOf((of = walk.epoch))
      const known = truth[walk.sequence]
      if (known === undefined) truth[walk.sequence] = walk.digest
      else if (known !== walk.digest)
        throw this.#found(
          'P5',
          `there are two different records ${walk.epoch}/${walk.sequence}; one is on the ${shadow.label}`,
        )
      shadow.digests[walk.sequence] = walk.digest
      shadow.epochs[walk.sequence] = walk.epoch
    }
    if (walk.fault !== null) throw this.#found('P5', `the ${shadow.label} writes a batch that is none: ${walk.fault}`)
  }

  #truthOf(epoch: number): number[] {
    let truth = this.#truth.get(epoch)
    if (truth === undefined) this.#truth.set(epoch, (truth = []))
    return truth
  }

  /** P7: what was durable and leaves the journal is in a quarantine. */
  #vanished(
    shadow: Shadow,
    keptThrough: Position,
    had: number,
    quarantines: readonly { from: number; to: number }[],
  ): void {
    const through = coveredThrough(keptThrough.sequence, had, quarantines)
    if (through < had && !shadow.damaged)
      throw this.#found(
        'P7',
        `records ${through + 1} to ${had} left the journal of the ${shadow.label} and are in no quarantine`,
      )
  }

  #cut(shadow: Shadow, through: number): void {
    shadow.digests.length = Math.min(shadow.digests.length, through + 1)
    shadow.epochs.length = Math.min(shadow.epochs.length, through + 1)
    shadow.flushed = Math.min(shadow.flushed, through)
  }
}

/** Up to where records are kept: those of the journal, and those that quarantines have from there on. */
function coveredThrough(kept: number, had: number, quarantines: readonly { from: number; to: number }[]): number {
  let through = kept
  for (let grown = true; grown && through < had;) {
    grown = false
    for (const { from, to } of quarantines)
      if (from <= through + 1 && to > through) {
        through = to
        grown = true
      }
  }
  return through
}
