// The journals of a pair in memory: a life of a server ends with a crash, its next one begins with what was flushed.

import type { Journal } from '../../src/journal/types.ts'
import type { ServerLabel } from '../../src/replication/frames.ts'
import { FakeImage, FakeJournal } from './fake-journal.ts'
import type { JournalSource } from './pair-world.ts'
import type { VirtualHost } from './virtual-clock.ts'

export class FakeJournals implements JournalSource {
  readonly images = { primary: new FakeImage(), secondary: new FakeImage() }
  readonly now: Partial<{ [Label in ServerLabel]: FakeJournal }> = {}
  flushMs: () => number = () => 1
  batchBytes = 1 << 20

  open(label: ServerLabel, host: VirtualHost): Journal {
    const journal = new FakeJournal(host, this.images[label])
    journal.flushMs = this.flushMs()
    journal.batchBytes = this.batchBytes
    this.now[label] = journal
    return journal
  }

  crash(label: ServerLabel): void {
    this.now[label]?.crash()
  }
}
