// Mutants of what the broker does with messages of its own accord: those that wait until their time, and those whose time is
// over. A failover finds each of them once, and what waits is bounded.

import { unit, type Mutant } from './mutant.ts'

const DELAYED = 'broker/delayed'
const SWEEP = 'broker/sweep'
const ADDRESSES = 'broker/addresses'
const DEAD = 'broker/dead-letters'
const REDELIVERY = 'broker/redelivery'
const TIMES = 'protocols/amqp/times'

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
        'if (refusal === null) return messages.length',
        'if (refusal === null) {\n      left.commit(() => {}, () => {})\n      return messages.length\n    }',
      ],
    ],
    layers: [unit(DELAYED)],
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
        'this.#note(message.envelope.deliverAt, message.sequence)\n    super.giveBack(message)',
        'super.giveBack(message)',
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
    edits: [['broker/delayed-queue.ts', 'if (this.due.length > 2 * this.line.count + FEW) this.#sift()', '']],
    layers: [unit(DELAYED)],
  },
  {
    id: 'delayed-identifiers',
    promise: 'clients',
    breaks: 'a delayed message that is sent again after a failover comes in twice',
    edits: [['broker/delayed-queue.ts', 'return this.of?.id ?? envelope.topic', 'return this.id']],
    layers: [unit(DELAYED)],
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
    id: 'sweep-leaving',
    promise: 'clients',
    breaks:
      'a record speaks of the queue of a session that the record before it has ended: the follower cannot fold it',
    edits: [['broker/sweep.ts', 'this.#queue.dropped || this.#queue.leaving', 'this.#queue.dropped']],
    layers: [unit(DEAD)],
  },
  {
    id: 'dead-one-record',
    promise: 'clients',
    breaks: 'a dead letter leaves its queue by another record than it comes in by: a failover doubles it',
    edits: [
      [
        'broker/dead-letters.ts',
        'draft.settled(queue, sent, true)',
        'const left = new GroupDraft(ground)\n      left.settled(queue, sent, true)',
      ],
      [
        'broker/dead-letters.ts',
        'refusal = draft.commit(recorded, () => answer(sent))',
        'refusal = draft.commit(recorded, () => {})\n      left.commit(() => {}, () => answer(sent))',
      ],
    ],
    layers: [unit(DEAD)],
  },
  {
    id: 'dead-told',
    promise: 'P2',
    breaks: 'who rejects a message is told before the record is safe by which it goes to its address',
    edits: [
      [
        'broker/dead-letters.ts',
        'refusal = draft.commit(recorded, () => answer(sent))',
        'refusal = draft.commit(recorded, () => {})\n      answer(sent)',
      ],
    ],
    layers: [unit(DEAD)],
  },
  {
    id: 'dead-waits',
    promise: 'clients',
    breaks: 'a dead letter whose address is full is never tried again',
    edits: [['broker/dead-letters.ts', 'this.#waiting.push({ queue, reason, messages: left })', '']],
    layers: [unit(DEAD)],
  },
  {
    id: 'dead-itself',
    promise: 'clients',
    breaks: 'a dead letter goes round at its own address',
    edits: [
      [
        'broker/policies.ts',
        "withoutItself(this.#find('queue', queue.name), queue.name)",
        "this.#find('queue', withoutItself === null ? '' : queue.name)",
      ],
    ],
    layers: [unit(DEAD)],
  },
  {
    id: 'dead-rounds',
    promise: 'P10',
    breaks: 'a dead letter goes round between two queues for ever',
    edits: [['broker/dead-letters.ts', 'const MOST_DEATHS = 16', 'const MOST_DEATHS = Infinity']],
    layers: [unit(DEAD)],
  },
  {
    id: 'dead-why',
    promise: 'clients',
    breaks: 'after a failover nobody knows why a message is dead',
    edits: [
      ['broker/envelope.ts', '(death === null ? 0 : 512)', '0'],
      ['broker/envelope.ts', 'if (death !== null) {', 'if (death === undefined) {'],
    ],
    layers: [unit(DEAD)],
  },
  {
    id: 'dead-transaction',
    promise: 'clients',
    breaks: 'a transaction whose dead letters have no room is committed without them: they are lost',
    edits: [
      [
        'broker/transactions.ts',
        'message, address as string, reason)\n      if (refusal !== null) return refusal',
        'message, address as string, reason)\n      void refusal',
      ],
    ],
    layers: [unit(DEAD)],
  },
  {
    id: 'deliveries-limit',
    promise: 'clients',
    breaks: 'a message that no consumer can take is delivered for ever',
    edits: [['broker/delivery.ts', 'failed >= this.queue.policy.maxDeliveries', 'failed > 1e9']],
    layers: [unit(REDELIVERY)],
  },
  {
    id: 'redelivery-waits',
    promise: 'clients',
    breaks: 'a message whose delivery failed comes again at once, whatever is settled',
    edits: [['broker/queue.ts', 'this.waker?.holds(message) === true) return', 'this.waker === undefined) return']],
    layers: [unit(REDELIVERY)],
  },
  {
    id: 'redelivery-reign',
    promise: 'clients',
    breaks: 'a message that waits after a failed delivery is out of reach for ever when the reign ends',
    edits: [['broker/redeliveries.ts', 'giveBack(message, false)', 'void message']],
    layers: [unit(REDELIVERY)],
  },
  {
    id: 'address-new',
    promise: 'P10',
    breaks: 'what is settled for addresses is not in force on queues that are made later',
    edits: [['broker/state.ts', 'this.onDeclared(queue)', '']],
    layers: [unit(ADDRESSES)],
  },
  {
    id: 'address-profile',
    promise: 'P10',
    breaks: 'what is settled for an address exceeds the limits of the profile',
    edits: [['broker/policy.ts', 'Math.min(queueMessages, maxMessages)', 'maxMessages']],
    layers: [unit(ADDRESSES)],
  },
  {
    id: 'address-exact',
    promise: 'clients',
    breaks: 'of several patterns that fit an address the widest one counts',
    edits: [['broker/address-settings.ts', ': x > y', ': x < y']],
    layers: [unit(ADDRESSES)],
  },
  {
    id: 'expiry-earlier',
    promise: 'clients',
    breaks: 'of two times to expire at the later one counts',
    edits: [['protocols/amqp/envelope.ts', 'Math.min(byTtl, byTime)', 'Math.max(byTtl, byTime)']],
    layers: [unit(TIMES)],
  },
  {
    id: 'group-bounded',
    promise: 'P10',
    breaks: 'a client ends the server by the name of a group: the message’s record is larger than the journal takes',
    edits: [['protocols/amqp/envelope.ts', 'Buffer.byteLength(group) > GROUP_BYTES', 'false']],
    layers: [unit(TIMES)],
  },
]
