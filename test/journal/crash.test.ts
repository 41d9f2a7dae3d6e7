// Crashes: random runs against a book of what was appended, and stories that are stopped at each single operation.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readQuarantine } from '../../src/journal/quarantine.ts'
import { Book, diceOf, memoryDisk, Run, stateChunks, Turns, untilStop } from './world.ts'
import type { MemoryDisk } from '../../src/simulation/disk.ts'
import type { SnapshotInfo } from '../../src/journal/types.ts'

type Act =
  | { readonly do: 'append'; readonly count: number; readonly bytes: number }
  | { readonly do: 'turns'; readonly count: number }
  | { readonly do: 'epoch' | 'snapshot' | 'close' | 'kill' | 'crash' | 'fail flush' | 'fail write' }
  | { readonly do: 'rewind'; readonly back: number }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append'),
      count: fc.integer({ min: 1, max: 12 }),
      bytes: fc.integer({ min: 5, max: 2900 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turns'), count: fc.integer({ min: 1, max: 12 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('epoch', 'snapshot', 'close', 'kill', 'crash', 'crash', 'fail flush', 'fail write'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind'), back: fc.integer({ min: 0, max: 15 }) }) },
) as fc.Arbitrary<Act>

/** A run of the journal over several lives of the machine. */
class History {
  turns = new Turns()
  disk: MemoryDisk
  run: Run
  private epoch = 1

  constructor(seed: number) {
    const { turns, disk } = memoryDisk(seed)
    this.turns = turns
    this.disk = disk
    this.run = new Run(turns, disk, new Book())
  }

  play(step: Act): void {
    const { run, turns } = this
    const { journal } = run
    switch (step.do) {
      case 'append':
        if (run.failure === null) run.append(step.count, step.bytes)
        return
      case 'turns':
        return turns.run(step.count)
      case 'epoch':
        return run.begin(++this.epoch)
      case 'snapshot': {
        const position = run.book.position(journal.last.sequence)
        if (
          position.sequence > (journal.snapshot?.position.sequence ?? 0) &&
          position.sequence === journal.flushed.sequence
        ) {
          journal.writeSnapshot(position, stateChunks(position), () => {})
        }
        return
      }
      case 'rewind': {
        if (run.failure !== null) return
        turns.run()
        const to = Math.max(
          journal.snapshot?.position.sequence ?? 0,
          journal.start.sequence,
          journal.last.sequence - step.back,
        )
        if (to === journal.last.sequence) return
        journal.rewind(run.book.position(to), 'test')
        run.book = run.book.through(to)
        run.flushed = to
        run.epoch = null
        if (to === 0) run.begin(++this.epoch)
        return
      }
      case 'fail flush':
      case 'fail write':
        this.disk.fault = operation => (operation === step.do.slice(5) ? new Error('EIO') : null)
        turns.run()
        this.disk.fault = () => null
        return
      case 'close':
        run.close()
        return this.reopen(this.disk.restart())
      case 'kill':
        return this.reopen(this.disk.restart())
      case 'crash':
        return this.reopen(this.disk.crash())
    }
  }

  reopen(disk: MemoryDisk): void {
    const { book, flushed } = this.run
    this.turns.queue = []
    this.disk = disk
    this.run = new Run(this.turns, disk, book, undefined)
    book.mustMatch(this.run.journal, flushed)
    this.run.book = book.through(this.run.journal.last.sequence)
  }
}

describe('journal: crashes', () => {
  it('keeps every record that was reported durable, and nothing but a beginning of what was appended', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(act, { minLength: 5, maxLength: 60 }), (seed, steps) => {
        const history = new History(seed)
        for (const step of steps) history.play(step)
        history.play({ do: 'crash' })
        history.play({ do: 'crash' })
      }),
      { numRuns: 400, seed: 20240607 },
    )
  })

  /** Plays a story to its end, then once for each of its operations with the machine stopping there. */
  function stopEverywhere(
    prepare: (run: Run) => void,
    story: (run: Run) => void,
    check: (disk: MemoryDisk, stopped: Run, turns: Turns) => void,
  ): void {
    const base = memoryDisk(7)
    const first = new Run(base.turns, base.disk, new Book())
    prepare(first)
    first.close()
    const again = (stopAt: number, seed: number): [MemoryDisk, Run, Turns] => {
      const turns = new Turns()
      const disk = base.disk.restart(turns.soon)
      Object.assign(disk, { dice: diceOf(seed) })
      const run = new Run(turns, disk, first.book.through(first.book.entries.length))
      turns.run()
      disk.operations = 0
      disk.stopAt = stopAt
      untilStop(disk, () => story(run))
      turns.queue = []
      return [disk, run, turns]
    }
    const [whole, last, turns] = again(Infinity, 1)
    check(whole, last, turns)
    assert.ok(whole.operations > 5, 'the story does something')
    for (let at = 1; at <= whole.operations; at += 1) {
      for (let seed = 1; seed <= 3; seed += 1) {
        const [disk, run, rest] = again(at, seed * 1000 + at)
        check(seed === 1 ? disk.restart() : disk.crash(), run, rest)
      }
    }
  }

  it('survives a crash at every operation of writing, snapshot, dropping and recycling', () => {
    stopEverywhere(
      run => run.settle(60, 900),
      run => {
        assert.equal(run.snapshot(50), null)
        run.settle(40, 900)
        assert.equal(run.snapshot(90), null)
        run.begin(2)
        run.settle(20, 900)
        run.close()
      },
      (disk, run, turns) => {
        const next = new Run(turns, disk, run.book)
        run.book.mustMatch(next.journal, run.flushed)
        // It goes on from there, over recycled segments, and is found again.
        next.book = run.book.through(next.journal.last.sequence)
        next.settle(30, 700, 'later')
        next.book.mustMatch(new Run(turns, disk.crash(), next.book).journal, next.flushed)
      },
    )
  })

  it('survives a crash at every operation of cutting back, and loses nothing that was cut', () => {
    for (const to of [0, 7, 31, 59]) {
      let old = new Book()
      stopEverywhere(
        run => run.settle(60, 700),
        run => {
          old = run.book.through(60)
          run.journal.rewind(run.book.position(to), 'diverged')
          run.book = run.book.through(to)
          run.flushed = to
          run.epoch = null
          run.begin(9)
          run.settle(12, 600, 'new')
        },
        (disk, run, turns) => {
          const next = new Run(turns, disk, run.book)
          const isOld = next.journal.last.sequence === 60 && next.journal.last.digest === old.position(60).digest
          if (isOld) old.mustMatch(next.journal, 60)
          // Stopped after the cut was durable, but before it was said.
          else if (run.flushed === 60) old.through(to).mustMatch(next.journal, to)
          else run.book.mustMatch(next.journal, run.flushed)
          if (!isOld) mustBeAside(disk, old, to + 1, 60)
          // Doing it again, as the peer will ask for, is harmless.
          if (isOld) next.journal.rewind(old.position(to), 'diverged')
          if (isOld) mustBeAside(disk, old, to + 1, 60)
          assert.equal(next.journal.quarantines().length, 1)
        },
      )
    }
  })

  it('survives a crash at every operation of being replaced: the old copy or the new one, never a mixture', () => {
    for (const [at, reason] of [
      [40, 'diverged'],
      [200, 'diverged'],
      [90, ''],
    ] as const) {
      const peer = new Book()
      for (let n = 1; n <= 220; n += 1) peer.add(n < 5 ? 1 : 4, Buffer.from(`peer ${n}`))
      const epochs = [
        { epoch: 1, sequence: 1 },
        { epoch: 4, sequence: 5 },
      ]
      const info: SnapshotInfo = { position: peer.position(at), epochs, bytes: 0 }
      let old = new Book()
      stopEverywhere(
        run => {
          run.settle(60, 700)
          assert.equal(run.snapshot(40), null)
          run.settle(20, 700)
        },
        run => {
          old = run.book.through(80)
          const writer = run.journal.installSnapshot(info, reason)
          for (const chunk of stateChunks(info.position)) {
            writer.write(chunk, error => assert.equal(error, null))
            run.turns.run()
          }
          writer.finish(error => {
            assert.equal(error, null)
            run.book = peer.through(at)
            run.flushed = at
            assert.deepEqual([run.journal.last, run.journal.flushed, run.journal.start], Array(3).fill(info.position))
          })
          run.turns.run()
          run.epoch = null
          run.begin(5)
          run.settle(10, 600, 'after')
          run.close()
        },
        (disk, run, turns) => {
          const next = new Run(turns, disk, run.book)
          const { last, start } = next.journal
          const isOld = last.sequence === 80 && last.digest === old.position(80).digest
          if (isOld) old.mustMatch(next.journal, 80)
          else {
            if (run.book.entries.length === 80) run.book = peer.through(at)
            assert.equal(start.sequence, at)
            run.book.mustMatch(next.journal, run.flushed === 80 ? at : run.flushed)
          }
          if (!isOld && reason !== '') mustBeAside(disk, old, 41, 80)
          assert.equal(
            next.journal.quarantines().length > 0,
            !isOld && reason !== '' ? true : next.journal.quarantines().length > 0,
          )
        },
      )
    }
  })
})

function mustBeAside(disk: MemoryDisk, book: Book, from: number, to: number): void {
  const found = new Set<number>()
  for (const name of disk.list().filter(file => /^quarantine-\d/.test(file))) {
    readQuarantine(disk, name, ({ sequence, body }) => {
      if (book.entries[sequence - 1]?.body.equals(body)) found.add(sequence)
    })
  }
  for (let sequence = from; sequence <= to; sequence += 1)
    assert.ok(found.has(sequence), `record ${sequence} is put aside`)
}
