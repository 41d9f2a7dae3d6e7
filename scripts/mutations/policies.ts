// Mutants of what the broker does with messages of its own accord: those that wait until their time, and those whose time is
// over. A failover finds each of them once, and what waits is bounded.

import { simulation, unit, type Mutant } from './mutant.ts'

const DELAYED = 'broker/delayed'
const TROUBLE = 'broker/delayed-trouble'
const DELAYED_MODEL = 'broker/delayed-model'
const SWEEP = 'broker/sweep'
const DEAD = 'broker/dead-letters'

export const policies: readonly Mutant[] = [
  {
    id: 'delayed-one-record',
    promise: 'clients',
    breaks:
      'a message whose time has come leaves its place by another record than it comes in by: a failover doubles it',
    edits: [
      [
        'broker/delays.ts',
        'draft.settled(queue, inOrder, true)',
        'const left = new GroupDraft(ground)\n    left.settled(queue, inOrder, true)',
      ],
      [
        'broker/delays.ts',
        'return refusal\n  }',
        'if (refusal === null) left.commit(nothing, nothing)\n    return refusal\n  }',
      ],
    ],
    layers: [unit(DELAYED)],
  },
  {
    id: 'delayed-early',
    promise: 'clients',
    breaks: 'a delayed message is delivered before its time',
    edits: [
      ['broker/delays.ts', 'left > 0 && queue.due.first <= now) {', 'left > 0 && queue.due.first <= now + 300) {'],
      [
        'broker/delays.ts',
        'const seen = this.#move(queue, now, left)',
        'const seen = this.#move(queue, now + 300, left)',
      ],
    ],
    layers: [simulation(20), unit(DELAYED)],
  },
  {
    id: 'expired-delivered',
    promise: 'clients',
    breaks: 'a message whose time is over is delivered',
    edits: [
      [
        'broker/delivery.ts',
        'if (this.queue.isSession || message.envelope.expiresAt > this.#ground.clock.wall()) return false',
        'if (message.envelope.expiresAt > 0) return false',
      ],
    ],
    layers: [simulation(20), unit(SWEEP)],
  },
  {
    id: 'expired-stays',
    promise: 'clients',
    breaks: 'a message whose time is over goes where such messages go, and stays in its queue',
    edits: [
      [
        'broker/dead-letters.ts',
        '      draft.settled(queue, sent, true)\n',
        "      if (reason !== 'expired') draft.settled(queue, sent, true)\n",
      ],
    ],
    layers: [simulation(20), unit(DEAD)],
  },
  {
    id: 'delayed-asks-lease',
    promise: 'P1',
    breaks: 'a server that cannot prove that it serves decides that a message’s time has come',
    edits: [['broker/delays.ts', 'const may = ground.mayServe()', 'const may = true']],
    layers: [unit(DELAYED)],
  },
  {
    id: 'delayed-returns',
    promise: 'clients',
    breaks: 'a message stays in its place for ever when the record that moved it was lost with the reign',
    edits: [
      [
        'broker/delayed-queue.ts',
        'if (this.#out.has(message.sequence)) this.#note(message.envelope.deliverAt, message.sequence)',
        '',
      ],
    ],
    layers: [unit(DELAYED)],
  },
  {
    id: 'delayed-limits',
    promise: 'P10',
    breaks: 'what waits for its time does not count for its queue',
    edits: [
      [
        'broker/intake.ts',
        'queue.line.count + queue.pendingMessages + queue.delayedMessages + messages',
        'queue.line.count + queue.pendingMessages + messages',
      ],
    ],
    layers: [unit(DELAYED)],
  },
  {
    id: 'delayed-sifts',
    promise: 'P10',
    breaks: 'the follower remembers when messages were due that have left',
    edits: [['broker/delayed-queue.ts', 'this.#tidy()\n', '']],
    layers: [unit(DELAYED)],
  },
  {
    id: 'delayed-tidies',
    promise: 'P10',
    breaks: 'what left before its turn in any order stays known for as long as something else is first',
    edits: [['broker/delayed-queue.ts', 'due.tidy(TIDIED, remains)', '{}']],
    layers: [unit(TROUBLE)],
  },
  {
    id: 'delayed-taken',
    promise: 'P2',
    breaks: 'a message on its way to its queue is taken out by another record, too: no server can fold it',
    edits: [['broker/delays.ts', 'if (message !== null) queue.settling(message)', '']],
    layers: [unit(TROUBLE, DELAYED_MODEL)],
  },
  {
    id: 'delayed-noted-once',
    promise: 'P10',
    breaks: 'each record that the log does not take adds to what is known of when messages are due',
    edits: [['broker/delayed-queue.ts', 'if (this.#out.has(message.sequence)) this.#note', 'this.#note']],
    layers: [unit(TROUBLE)],
  },
  {
    id: 'ranges-rise',
    promise: 'P2',
    breaks: 'a record that speaks of a message twice is made, and no server can fold it',
    edits: [
      ['broker/records.ts', "assert(first > before && last >= first, 'no record speaks of a message twice')", ''],
    ],
    layers: [unit(TROUBLE)],
  },
  {
    id: 'delayed-whole-head',
    promise: 'clients',
    breaks: 'a delayed message that was accepted does not fit into the record by which it comes in',
    edits: [
      ['broker/limits.ts', 'GROUP_OVERHEAD_BYTES = RECORD_HEAD_BYTES + 2048', 'GROUP_OVERHEAD_BYTES = 48 * 1024'],
    ],
    layers: [unit(TROUBLE)],
  },
  {
    id: 'delayed-put-off',
    promise: 'live',
    breaks: 'a delayed message that its topic cannot have holds up all others',
    edits: [['broker/delays.ts', 'queue.of !== null || refusal === this.#ground.noRecord', 'refusal !== null']],
    layers: [unit(TROUBLE)],
  },
  {
    id: 'delayed-identifiers',
    promise: 'clients',
    breaks: 'a delayed message that is sent again after a failover comes in twice',
    edits: [['broker/delayed-queue.ts', 'return this.of?.id ?? envelope.topic', 'return this.id']],
    layers: [simulation(60), unit(DELAYED)],
  },
  {
    id: 'sweep-asks-lease',
    promise: 'P1',
    breaks: 'a server that cannot prove that it serves decides that a message’s time is over',
    edits: [
      ['broker/sweep.ts', 'if (!this.#ground.mayServe()) return this.#plan(now, RETRY_MS)', ''],
      ['broker/sweep.ts', "ground.mayServe() ? pass.step(left, this.#go) : 'refused'", 'pass.step(left, this.#go)'],
    ],
    layers: [unit(SWEEP)],
  },
  {
    id: 'sweep-holds',
    promise: 'clients',
    breaks: 'a message that is over is delivered while the record that removes it is on its way',
    edits: [
      ['broker/upkeep.ts', 'for (const message of messages) queue.settling(message, Standing.TAKEN)', ''],
      ['broker/dead-letters.ts', 'for (const message of sorted) message.standing = Standing.SETTLING', ''],
    ],
    layers: [unit(SWEEP)],
  },
  {
    id: 'sweep-spares-sessions',
    promise: 'clients',
    breaks: 'a message that a session’s client may have is taken away',
    edits: [['broker/sweep.ts', 'return !this.#ofSession || (!offered', 'return true || (!offered']],
    layers: [unit(SWEEP)],
  },
  {
    id: 'sweep-bounded',
    promise: 'P10',
    breaks: 'a sweep looks at a whole queue in one turn of the event loop',
    edits: [['broker/sweep.ts', 'let left = SEEN_PER_TURN', 'let left = Infinity']],
    layers: [unit(SWEEP)],
  },
  {
    id: 'sweep-after-failover',
    promise: 'clients',
    breaks: 'what expires after a failover stays for ever where nobody consumes',
    edits: [['broker/sweep.ts', 'for (const { expiresFrom } of holdings.expiring) this.#plan(expiresFrom)', '']],
    layers: [unit(SWEEP)],
  },
  {
    id: 'sweep-sheet',
    promise: 'clients',
    breaks: 'what is over and lies on a sheet again stays for ever, because the log did not take its record at first',
    edits: [['broker/block.ts', 'if (expiresAt !== 0) this.expiresFrom = Math.min(this.expiresFrom, expiresAt)', '']],
    layers: [unit(SWEEP)],
  },
  {
    id: 'sweep-leaving',
    promise: 'clients',
    breaks:
      'a record speaks of the queue of a session that the record before it has ended: the follower cannot fold it',
    edits: [['broker/sweep.ts', 'this.#queue.dropped || this.#queue.leaving', 'this.#queue.dropped']],
    layers: [unit(DEAD)],
  },
]
