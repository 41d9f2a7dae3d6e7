// Mutants of P2 (acknowledged means durable): the commit rule, the register, the journal's flushes and its recovery.

import { rules, simulation, unit, type Mutant } from './mutant.ts'

const COMMIT = 'replication/commit-rule'
const REGISTER = 'ha/lock-register'
const CRASH = ['journal/crash', 'journal/faults'] as const

export const durability: readonly Mutant[] = [
  {
    id: 'register-read',
    promise: 'P2',
    breaks: 'a record that another wrote counts before it is durable',
    edits: [['ha/register.ts', 'if (record.seq > this.#highest) yield* this.#flush(record.seq)\n', '']],
    layers: [unit(REGISTER)],
  },
  {
    id: 'both-wait',
    promise: 'P2',
    breaks: 'with a listed peer, acknowledgements do not wait for it',
    edits: [
      [
        'replication/commit-rule.ts',
        'Math.max(committed, Math.min(ownFlushed, peerConfirmed))',
        'Math.max(committed, ownFlushed)',
      ],
    ],
    layers: [simulation(60), unit(COMMIT)],
  },
  {
    id: 'joining-waits',
    promise: 'P2',
    breaks: 'acknowledgements do not wait for the peer while the record that lists it is being written',
    edits: [
      ['replication/commit-rule.ts', "    case 'joining':\n    case 'both':\n", "    case 'both':\n"],
      ['replication/commit-rule.ts', "    case 'alone':\n", "    case 'alone':\n    case 'joining':\n"],
    ],
    layers: [simulation(60, 'joining'), unit(COMMIT)],
  },
  {
    id: 'own-disk',
    promise: 'P2',
    breaks: 'the peer’s disk is enough, the own one may lag behind',
    edits: [
      [
        'replication/commit-rule.ts',
        'Math.max(committed, Math.min(ownFlushed, peerConfirmed))',
        'Math.max(committed, peerConfirmed)',
      ],
    ],
    layers: [simulation(60, 'crashing'), unit(COMMIT)],
  },
  {
    id: 'solo-recorded',
    promise: 'P2',
    breaks: 'the active server goes on alone as soon as the record that says so is asked for',
    edits: [
      [
        'ha/reign.ts',
        "if (this.now.record.inSync.length > 1) return 'both'",
        "if (this.now.record.inSync.length > 1) return this.pending?.inSync.length === 1 ? 'solo' : 'both'",
      ],
    ],
    layers: [simulation(100, 'soloing')],
  },
  {
    id: 'unknown-append',
    promise: 'P2',
    breaks: 'an append whose outcome is unknown counts as won',
    edits: [
      ['ha/reign.ts', "if (message.outcome === 'unknown') {", 'if (message.request < 0) {'],
      ['ha/reign.ts', "const won = message.outcome === 'won'", "const won = message.outcome !== 'lost'"],
    ],
    layers: [simulation(100, 'soloing')],
  },
  {
    id: 'register-exclusive',
    promise: 'P2',
    breaks: 'a record’s number that is taken counts as won, without reading whose record it is',
    edits: [
      [
        'ha/register.ts',
        'const outcome = yield* this.#whose(record)\n      if (outcome ===',
        "const outcome = error.code === 'EEXIST' ? 'won' : yield* this.#whose(record)\n      if (outcome ===",
      ],
      [
        'ha/register.ts',
        "    const outcome = yield* this.#whose(record)\n    if (outcome !== 'won') return outcome\n    this.#adopt(record)",
        '    this.#adopt(record)',
      ],
    ],
    layers: [unit(REGISTER)],
  },
  {
    id: 'register-flush',
    promise: 'P2',
    breaks: 'a record counts as there before its name is flushed',
    edits: [['ha/register.ts', '    yield* this.#flush(record.seq)\n    // A share', '    // A share']],
    layers: [unit(REGISTER)],
  },
  {
    id: 'register-kept',
    promise: 'P2',
    breaks: 'a record counts as there although the share’s machine crashed before its name was flushed',
    edits: [
      [
        'ha/register.ts',
        "    const outcome = yield* this.#whose(record)\n    if (outcome !== 'won') return outcome\n    this.#adopt(record)",
        '    this.#adopt(record)',
      ],
    ],
    layers: [simulation(0, null, '6843'), unit(REGISTER)],
  },
  {
    id: 'lost-follower',
    promise: 'P2',
    breaks: 'what a former follower confirmed counts for the next one',
    edits: [
      ['replication/commit-gate.ts', '  peerLost(): void {\n    this.#peerConfirmed = 0\n', '  peerLost(): void {\n'],
    ],
    layers: [unit(COMMIT)],
  },
  {
    id: 'confirm-flushed',
    promise: 'P2',
    breaks: 'the follower confirms what it has received, not what it has flushed',
    edits: [['replication/receiver.ts', '      if (end.position.sequence > flushed) break\n', '']],
    layers: [unit('replication/receiver')],
  },
  {
    id: 'confirm-ends',
    promise: 'P2',
    breaks: 'a confirmation beyond what was sent counts',
    edits: [
      [
        'replication/window.ts',
        "if (end.sequence > position.sequence) return 'unknown'",
        "if (end.sequence < 0) return 'unknown'",
      ],
    ],
    layers: [unit('replication/shipper')],
  },
  {
    id: 'ledger-waits',
    promise: 'P2',
    breaks: 'the broker acknowledges every message of a queue as soon as one of them is safe',
    edits: [
      ['broker/ledger.ts', 'if (message.sequence > sequence) return', 'if (message.sequence > sequence + 1e6) return'],
    ],
    layers: [unit('broker/broker', 'broker/model')],
  },
  {
    id: 'handover-complete',
    promise: 'P2',
    breaks: 'the reign is handed over although the peer lacks records, and taken without a look at the position',
    edits: [
      ['ha/handover.ts', ' || gate.committed < journal.last.sequence) return', ') return'],
      [
        'ha/handover.ts',
        '    receiver.reach(offer.position, () =>\n      receiver.adoptAll(() =>',
        '    ;((then: () => void) => then())(() =>\n      receiver.adoptAll(() =>',
      ],
    ],
    layers: [simulation(300, 'switching')],
  },
  {
    id: 'flush',
    promise: 'P2',
    breaks: 'the journal reports as durable what was written and never flushed',
    edits: [
      [
        'journal/writer.ts',
        'file.writeThrough(frame, active.end, this.synced)',
        'file.write(frame, active.end, this.synced)',
      ],
    ],
    layers: [simulation(60, 'crashing'), unit(...CRASH)],
  },
  {
    id: 'flush-failed',
    promise: 'P2',
    breaks: 'the journal goes on after a failed flush',
    edits: [
      [
        'journal/writer.ts',
        'if (error !== null || flight === null || shelf.active === undefined) {',
        'if (flight === null || shelf.active === undefined) {',
      ],
    ],
    layers: [unit(...CRASH)],
  },
  {
    id: 'flush-stops',
    promise: 'P2',
    breaks: 'a server whose journal has failed does not stop',
    edits: [
      [
        'ha/conductor.ts',
        'journal.onFailed = error => this.departure.journalFailed(error)',
        'journal.onFailed = () => {}',
      ],
    ],
    layers: [simulation(60, 'failing')],
  },
  {
    id: 'recovered-flushed',
    promise: 'P2',
    breaks: 'what a killed process left unflushed counts as durable at the next start',
    edits: [['journal/journal.ts', '    this.confirm(found.confirmFrom, found.wipeBytes)\n', '']],
    layers: [unit(...CRASH)],
  },
  {
    id: 'torn-tail-only',
    promise: 'P2',
    breaks: 'damage in the middle of the journal is cut off like a torn tail',
    edits: [['journal/recovery.ts', 'if (rest.provenThrough >= expected) {', 'if (rest.provenThrough < 0) {']],
    layers: [unit('journal/damage', 'journal/crash')],
  },
  {
    id: 'record-checksum',
    promise: 'P2',
    breaks: 'a record’s checksum is not looked at',
    edits: [['journal/record.ts', 'if (check && crc32(', 'if (check && this.sequence < 0 && crc32(']],
    layers: [unit('journal/damage', 'replication/shipper')],
  },
  {
    id: 'disk-flush',
    promise: 'P2',
    breaks: 'the real disk replaces a small file without flushing it first',
    edits: [
      [
        'server/disk.ts',
        '      writeAll(fd, bytes, 0)\n      fs.fsyncSync(fd)\n    } finally',
        '      writeAll(fd, bytes, 0)\n    } finally',
      ],
    ],
    layers: [unit('server/disk')],
  },
  {
    id: 'disk-through',
    promise: 'P2',
    breaks: 'the real disk writes batches without making them durable',
    edits: [['server/disk.ts', 'constants.O_WRONLY | constants.O_DSYNC', 'constants.O_WRONLY']],
    layers: [unit('server/disk')],
  },
  {
    id: 'solo-without-lock',
    promise: 'P2',
    breaks: 'duty G1: a server without the lock drops its peer from the LockFile',
    edits: [
      [
        'states/duties.ts',
        "{ id: 'G1', role: 'ACTIVE', when: { reign: ['both'], lock: ['held'], peer:",
        "{ id: 'G1', role: 'ACTIVE', when: { reign: ['both'], peer:",
      ],
    ],
    layers: [rules],
  },
]
