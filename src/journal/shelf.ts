// The segment files of a journal: those in use, the one that is written, the spares made ahead, and the old ones on
// their way out (recycled as spares or removed, one after another in the background, so that no client waits for it). It knows files, not
// records; what goes into them is decided in journal.ts.

import { batchSpan } from './batch.ts'
import { encodeSegmentHead, EPOCHS_KEPT, Segment, segmentName } from './segment.ts'
import { assert } from '../base/assert.ts'
import { causeText, journalError } from './errors.ts'
import type { Clock } from '../base/ports.ts'
import type { Disk, DiskFile, Done } from './disk.ts'
import type { EpochStart, Position } from './position.ts'

interface Spare {
  readonly ordinal: number
  readonly name: string
  readonly file: DiskFile
  readonly recycled: boolean
}

interface Leaving {
  readonly name: string
  /** Set where the file may serve again. */
  readonly segment: Segment | null
}

export interface ShelfOptions {
  readonly segmentBytes: number
  readonly maxBatch: number
  /** So many spares are kept when old segments leave; only one is made anew. */
  readonly sparesKept: number
}

export class Shelf {
  /** In use, oldest first. */
  segments: Segment[]
  /** The file of the last segment, which is written; null where the next batch needs a new one. */
  file: DiskFile | null
  nextOrdinal: number
  /** Told when a spare has become ready or could not be made. */
  onSpare: Done = () => {}
  onWarning: (error: Error) => void = () => {}
  private readonly disk: Disk
  private readonly clock: Clock
  private readonly options: ShelfOptions
  private spares: Spare[] = []
  private making = false
  private refused = false
  private leaving: Leaving[] = []
  private sweeping = false
  /** A file is being recycled or removed. */
  private moving = false
  private closed = false
  /** Spares below this were reserved for a life of the journal that is over. */
  private leastOrdinal = 0

  constructor(disk: Disk, clock: Clock, options: ShelfOptions, segments: Segment[], nextOrdinal: number) {
    this.disk = disk
    this.clock = clock
    this.options = options
    this.segments = segments
    this.nextOrdinal = nextOrdinal
    const last = segments.at(-1)
    this.file = last === undefined ? null : disk.open(last.name)
  }

  get active(): Segment | undefined {
    return this.segments.at(-1)
  }

  /** True while something goes on in the background that `close` must wait for. */
  get busy(): boolean {
    return this.making || this.moving
  }

  hasRoom(recordBytes: number): boolean {
    const { active } = this
    return this.file !== null && active !== undefined && active.end + batchSpan(recordBytes) <= active.size
  }

  get spareReady(): boolean {
    return this.spares.length > 0
  }

  /**
   * Makes a spare in the background unless there is one. After a failure it is tried again only when it is `needed`, or
   * when a file has gone: not with every batch on a full disk.
   */
  prepare(needed = false): void {
    if (this.spares.length > 0 || this.making || this.closed || (this.refused && !needed)) return
    this.making = true
    const ordinal = this.nextOrdinal++
    const name = segmentName(ordinal)
    this.disk.create(name, this.options.segmentBytes, (error, file) => {
      this.making = false
      this.refused = error !== null
      if (file !== null) this.shelve({ ordinal, name, file, recycled: false })
      if (error !== null) this.onWarning(journalError('SPARE', { cause: causeText(error) }, error))
      this.onSpare(error)
    })
  }

  /** Takes the spare into use: its head is made durable. */
  activate(before: Position, epochs: readonly EpochStart[], done: Done): void {
    const { file, head } = this.takeIntoUse(before, epochs)
    file.writeThrough(head, 0, done)
  }

  /**
   * Cuts the journal back, at once: a new segment that begins after `position` makes everything beyond it void with one
   * durable write; only then do files go. Throws with nothing changed where there is no room for a new file.
   */
  restartAfter(position: Position, epochs: readonly EpochStart[]): void {
    if (this.spares.length === 0) {
      const ordinal = this.nextOrdinal++
      const name = segmentName(ordinal)
      this.shelve({ ordinal, name, file: this.disk.createSync(name, this.options.segmentBytes), recycled: false })
    }
    const old = this.segments
    this.segments = []
    const { file, head } = this.takeIntoUse(position, epochs)
    file.writeSync(head, 0)
    file.flushSync()
    const kept = old.filter(segment => segment.before.sequence < position.sequence)
    const around = kept.at(-1)
    if (around !== undefined) around.last = position
    this.segments.unshift(...kept)
    for (const segment of old.slice(kept.length).reverse()) this.removeNow(segment.name)
  }

  /** Lets go of what lies before the newest segment that is still needed for records after `sequence`. */
  dropThrough(sequence: number): void {
    while (this.segments.length > 1 && (this.segments[1] as Segment).before.sequence <= sequence) {
      const segment = this.segments.shift() as Segment
      this.leave(segment.name, segment)
    }
  }

  /** A snapshot has replaced everything: all files go, and no ordinal below `floor` is used again. */
  replaceAll(floor: number): void {
    this.closeFile()
    this.leastOrdinal = floor
    for (const segment of this.segments.splice(0)) this.leave(segment.name, null)
    for (const spare of this.spares.splice(0)) this.shelve(spare)
  }

  /** A file that nothing needs any more goes in the background. */
  leave(name: string, segment: Segment | null): void {
    this.leaving.push({ name, segment })
    if (this.sweeping) return
    this.sweeping = true
    this.clock.soon(() => this.sweep())
  }

  close(): void {
    this.closed = true
    this.closeFile()
    for (const spare of this.spares.splice(0)) spare.file.close()
  }

  private takeIntoUse(before: Position, epochs: readonly EpochStart[]): { file: DiskFile; head: Buffer } {
    const spare = this.spares.shift()
    assert(spare !== undefined, 'a segment is taken into use only when there is a spare')
    const { ordinal, recycled } = spare
    const { maxBatch, segmentBytes } = this.options
    const head = encodeSegmentHead({ ordinal, maxBatch, recycled, before, epochs: epochs.slice(-EPOCHS_KEPT) })
    this.closeFile()
    this.file = spare.file
    const fields = { ordinal, maxBatch, recycled, before, epochs, headBytes: head.length }
    this.segments.push(new Segment(fields, segmentBytes))
    return { file: spare.file, head }
  }

  private shelve(spare: Spare): void {
    // The segment with the highest ordinal is the journal's end, so a spare that was overtaken can never be used.
    if (this.closed || spare.ordinal < this.leastOrdinal || spare.ordinal < (this.active?.ordinal ?? 0)) {
      spare.file.close()
      if (!this.closed) this.removeNow(spare.name)
      return
    }
    this.spares.push(spare)
    this.spares.sort((a, b) => a.ordinal - b.ordinal)
  }

  private sweep(): void {
    const file = this.closed ? undefined : this.leaving.shift()
    if (file === undefined) {
      this.sweeping = false
      return
    }
    const { name, segment } = file
    const fit = segment !== null && segment.readers === 0 && segment.size === this.options.segmentBytes
    this.moving = true
    if (fit && this.spares.length < this.options.sparesKept) this.recycle(segment)
    else this.disk.discard(name, error => this.swept(name, error))
  }

  private recycle(segment: Segment): void {
    const ordinal = this.nextOrdinal++
    const name = segmentName(ordinal)
    this.disk.recycle(segment.name, name, (error, file) => {
      if (file !== null) this.shelve({ ordinal, name, file, recycled: true })
      this.swept(segment.name, error)
    })
  }

  private swept(name: string, error: Error | null): void {
    this.moving = false
    if (error !== null) this.onWarning(journalError('CLEANING', { name, cause: causeText(error) }, error))
    if (this.leaving.length > 0 && !this.closed) this.clock.soon(() => this.sweep())
    else {
      this.sweeping = false
      this.prepare(true)
    }
    this.onSpare(null)
  }

  private removeNow(name: string): void {
    try {
      this.disk.remove(name)
    } catch (error) {
      this.onWarning(journalError('CLEANING', { name, cause: causeText(error) }, error))
    }
  }

  private closeFile(): void {
    this.file?.close()
    this.file = null
  }
}
