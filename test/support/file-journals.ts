// The journals of a pair on disks in memory, the real code: a crash loses, keeps or tears what was not flushed.

import { openJournal } from '../../src/journal/journal.ts'
import type { FileJournal } from '../../src/journal/journal.ts'
import type { JournalLimits } from '../../src/journal/types.ts'
import type { ServerLabel } from '../../src/replication/frames.ts'
import { MachineStopped, MemoryDisk } from '../../src/simulation/disk.ts'
import type { JournalSource } from './pair-world.ts'
import type { VirtualHost } from './virtual-clock.ts'

export const SMALL: JournalLimits = {
  segmentBytes: 14 * 1024,
  recordBytes: 2000,
  tailBytes: 4000,
  snapshotEveryBytes: 64 * 1024,
}

export class FileJournals implements JournalSource {
  readonly limits: JournalLimits
  /** Virtual ms that one operation of a disk takes. */
  operationMs = 0
  readonly disks: Partial<{ [Label in ServerLabel]: MemoryDisk }> = {}
  readonly #dice: () => number

  constructor(limits: JournalLimits, dice: () => number) {
    this.limits = limits
    this.#dice = dice
  }

  open(label: ServerLabel, host: VirtualHost): FileJournal {
    const soon = (fn: () => void): void =>
      host.arrive(this.operationMs, () => {
        try {
          fn()
        } catch (error) {
          // The machine stopped beneath a program that does not know it yet.
          if (!(error instanceof MachineStopped)) throw error
        }
      })
    const disk = this.disks[label]?.crash(soon) ?? new MemoryDisk(soon, this.#dice)
    this.disks[label] = disk
    return openJournal(disk, host, this.limits)
  }

  crash(label: ServerLabel): void {
    const disk = this.disks[label]
    if (disk) disk.stopped = true
  }
}
