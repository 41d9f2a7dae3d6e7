// Mutants of what the broker does with messages of its own accord: those that wait until their time, and those whose time is
// over. A failover finds each of them once, and what waits is bounded.

import { simulation, unit, type Mutant } from './mutant.ts'

const DELAYED = 'broker/delayed'
const TROUBLE = 'broker/delayed-trouble'
const DELAYED_MODEL = 'broker/delayed-model'
const SWEEP = 'broker/sweep'
const ADDRESSES = 'broker/addresses'
const DEAD = 'broker/dead-letters'
const REDELIVERY = 'broker/redelivery'
const FULL = 'broker/when-full'
const USAGE = 'access/usage'
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
    layers: [simulation(20), unit(DEAD)],
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
    layers: [simulation(20), unit(REDELIVERY)],
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
    id: 'slow-bounded',
    promise: 'P10',
    breaks: 'messages of producers that are slowed are held without bound',
    edits: [
      [
        'broker/slowed.ts',
        'this.#all.messages >= SLOWED_MESSAGES || this.#all.bytes + cost > SLOWED_BYTES',
        'this.#all.messages >= Infinity || cost > SLOWED_BYTES + SLOWED_MESSAGES',
      ],
    ],
    layers: [unit(FULL)],
  },
  {
    id: 'slow-order',
    promise: 'clients',
    breaks: 'what comes later overtakes a message that waits for room',
    edits: [
      [
        'broker/intake.ts',
        'if (this.#slow.length > 0) return this.#hold(',
        'if (this.#slow.length > 1e9) return this.#hold(',
      ],
    ],
    layers: [unit(FULL)],
  },
  {
    id: 'slow-reign',
    promise: 'P10',
    breaks: 'what a reign held without an answer comes in with the next one',
    edits: [['broker/intake.ts', 'this.#waiting.clear()\n    this.#slow.clear()', 'this.#waiting.clear()']],
    layers: [unit(FULL)],
  },
  {
    id: 'oldest-owned',
    promise: 'clients',
    breaks: 'a message that a consumer has gives way to a newer one',
    edits: [['broker/oldest.ts', 'if (message.standing !== Standing.READY) return false', '']],
    layers: [unit(FULL)],
  },
  {
    id: 'user-connections',
    promise: 'P10',
    breaks: 'one user’s connections are not bounded',
    edits: [['access/usage.ts', 'this.connections < connections) return null', 'this.connections >= 0) return null']],
    layers: [unit(USAGE)],
  },
  {
    id: 'user-in-flight',
    promise: 'P10',
    breaks: 'what one user has sent and has no answer yet is not bounded',
    edits: [['access/usage.ts', 'if (this.#usage.room === 0) return producer.published(tag, tooMuch)', '']],
    layers: [unit(USAGE)],
  },
  {
    id: 'address-changed',
    promise: 'P10',
    breaks: 'what is settled for addresses is not in force on queues that were used before',
    edits: [['broker/queue.ts', 'policies.version !== this.#policyVersion', 'this.#policyVersion < 0']],
    layers: [unit(ADDRESSES)],
  },
  {
    id: 'address-unsafe',
    promise: 'P10',
    breaks: 'a durable subscription that is not safe yet loses its limits when others are changed',
    edits: [['broker/topic-subscriptions.ts', 'queue.filter = filter\n', '']],
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
    edits: [['broker/address-settings.ts', 'b.literal - a.literal', 'a.literal - b.literal']],
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
