// Mutants of what becomes of messages that no consumer takes: dead letters, redelivery, queues at their limits, and of settings
// and limits for addresses and users.

import { simulation, unit, type Mutant } from './mutant.ts'

const ADDRESSES = 'broker/addresses'
const DEAD = 'broker/dead-letters'
const REDELIVERY = 'broker/redelivery'
const FULL = 'broker/when-full'
const USAGE = 'access/usage'
const TIMES = 'protocols/amqp/times'

export const deaths: readonly Mutant[] = [
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
