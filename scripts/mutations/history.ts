// Mutants of P5 (epochs only grow) and P7 (nothing is thrown away silently): what keeps the order of reigns and records,
// and what becomes of records that the pair does not have.

import { simulation, unit, type Mutant } from './mutant.ts'

const RECEIVER = 'replication/receiver'
const SHIPPER = 'replication/shipper'
const REGISTER = 'ha/lock-register'

/** Of the epochs: seeds of four scenarios, 40 each, find nothing with all five of them taken out. */
const IN_ORDER =
  'frames of a reign come in order and end with their channel, and an older leader is not listed any more'

export const history: readonly Mutant[] = [
  {
    id: 'epoch-followed',
    promise: 'P5',
    breaks: 'frames of another epoch than the one followed are taken',
    edits: [['replication/receiver.ts', '    if (frame.epoch !== this.#epoch) {', '    if (frame.epoch < 0) {']],
    layers: [unit(RECEIVER)],
    hidden: IN_ORDER,
  },
  {
    id: 'epoch-begun',
    promise: 'P5',
    breaks: 'a leader of an older epoch than the journal’s newest is followed',
    edits: [
      [
        'replication/receiver.ts',
        'if (begin.epoch < newest || begin.epoch > begin.recordSeq) {',
        'if (begin.epoch < 0) {',
      ],
    ],
    layers: [unit(RECEIVER)],
    hidden: IN_ORDER,
  },
  {
    id: 'epoch-records',
    promise: 'P5',
    breaks: 'the journal takes records of an older epoch after those of a later one',
    edits: [['journal/record.ts', 'if (epoch < this.epoch) return this.wrong(', 'if (epoch < 0) return this.wrong(']],
    layers: [unit('journal/epochs')],
    hidden: IN_ORDER,
  },
  {
    id: 'epoch-begun-here',
    promise: 'P5',
    breaks: 'the journal takes records of an epoch below one that was begun here without a record yet',
    edits: [['journal/journal.ts', 'epoch: Math.max(this.epoch, before.epoch) }', 'epoch: before.epoch }']],
    layers: [unit('journal/epochs')],
    hidden: IN_ORDER,
  },
  {
    id: 'epoch-shipper',
    promise: 'P5',
    breaks: 'confirmations of another epoch count',
    edits: [
      [
        'replication/shipper.ts',
        "this.#phase !== 'making' && frame.epoch === this.#parts.epoch",
        "this.#phase !== 'making' && frame.epoch >= 0",
      ],
    ],
    layers: [unit(SHIPPER)],
    hidden: IN_ORDER,
  },
  {
    id: 'register-gap',
    promise: 'P5',
    breaks: 'a record is appended although the one before it is not there',
    edits: [
      [
        'ha/register.ts',
        "if (!forced && record.seq > this.#highest + 1) return 'unknown'",
        "if (record.seq < 0) return 'unknown'",
      ],
    ],
    layers: [unit(REGISTER)],
  },
  {
    id: 'reign-follows-own',
    promise: 'P5',
    breaks: 'a record that goes on with a reign may follow another’s',
    edits: [
      [
        'ha/drafts.ts',
        'order.after ?? (order.goesOn ? ours : Math.max(record?.seq ?? 0, ours))',
        'order.after ?? Math.max(record?.seq ?? 0, ours)',
      ],
    ],
    layers: [simulation(100, 'switching', '2645')],
  },
  {
    id: 'quarantine',
    promise: 'P7',
    breaks: 'what a journal is cut back by is not put aside',
    edits: [
      [
        'journal/journal.ts',
        'const name = this.putAsideNow(position, reason)',
        'const name: string | null = null as string | null',
      ],
    ],
    layers: [simulation(60), unit('journal/crash')],
  },
  {
    id: 'quarantine-replaced',
    promise: 'P7',
    breaks: 'the records of a copy that a snapshot replaces are not put aside',
    edits: [
      [
        'journal/journal.ts',
        'putAside: why => (this.start.sequence < this.flushed.sequence ? this.asideAfter(this.start, why) : null)',
        'putAside: () => null',
      ],
    ],
    layers: [simulation(60), unit('journal/crash')],
  },
  {
    id: 'quarantine-told',
    promise: 'P7',
    breaks: 'what was put aside is not named on the console',
    edits: [
      [
        'replication/receiver.ts',
        'if (name !== null) onQuarantined(name)\n    }',
        "if (name === '') onQuarantined(name)\n    }",
      ],
    ],
    layers: [unit(RECEIVER)],
  },
]
