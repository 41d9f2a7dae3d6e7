// Mutants of what producers and transactions are promised: a message that is sent again comes in once, a transaction is
// there whole or not at all, and what both keep is bounded.

import { simulation, unit, type Mutant } from './mutant.ts'

const DUPLICATES = 'broker/duplicates'
const TRANSACTIONS = 'broker/transactions'
const LIMITS = 'broker/transaction-limits'
const AMQP = 'protocols/amqp/transactions'
const WILD = 'protocols/amqp/wild'

export const messaging: readonly Mutant[] = [
  {
    id: 'duplicate-waits',
    promise: 'P2',
    breaks: 'a duplicate is accepted before the record of the first one is safe',
    edits: [
      ['broker/duplicate-ids.ts', 'producer.awaits = Math.max(producer.awaits ?? 0, found)', 'producer.awaits = 0'],
    ],
    layers: [unit(DUPLICATES)],
  },
  {
    id: 'duplicate-asks-lease',
    promise: 'P1',
    breaks: 'a duplicate is accepted without a look at lease or promise',
    edits: [
      [
        'broker/duplicate-ids.ts',
        'ground.ledger.published(producer, tag, ground.mayServe())',
        'ground.ledger.published(producer, tag, true)',
      ],
    ],
    layers: [unit(DUPLICATES)],
  },
  {
    id: 'duplicate-followed',
    promise: 'clients',
    breaks: 'after a failover a message that is sent again comes in twice: the follower did not learn its identifier',
    edits: [
      [
        'broker/state.ts',
        "if (duplicateId !== '') this.duplicates.add(",
        "if (duplicateId === '-') this.duplicates.add(",
      ],
    ],
    layers: [simulation(60), unit(DUPLICATES)],
  },
  {
    id: 'duplicate-snapshot',
    promise: 'clients',
    breaks: 'the same where the follower began with a snapshot',
    edits: [
      ['broker/snapshot-topics.ts', 'from < known.length; from += KNOWN_PER_ITEM', 'from < 0; from += KNOWN_PER_ITEM'],
    ],
    layers: [unit(DUPLICATES)],
  },
  {
    id: 'duplicate-bound',
    promise: 'P10',
    breaks: 'identifiers of all addresses together are kept without end',
    edits: [['broker/duplicate-ids.ts', 'this.count <= DUPLICATE_IDS', 'this.count <= Infinity']],
    layers: [unit(DUPLICATES)],
  },
  {
    id: 'duplicate-forgotten',
    promise: 'clients',
    breaks: 'an identifier stays known although its record was lost with the server',
    edits: [['broker/duplicate-ids.ts', 'this.#known(false)', 'this.#known(true)']],
    layers: [unit(DUPLICATES)],
  },
  {
    id: 'group-one-record',
    promise: 'clients',
    breaks: 'a transaction is two records: a failover between them leaves half of it',
    edits: [
      [
        'broker/group.ts',
        'return ground.append(GROUP, encodeGroup(this.#parts), NOTHING)',
        'ground.append(GROUP, encodeGroup(this.#parts.slice(0, 1)), NOTHING)\n    return ground.append(GROUP, encodeGroup(this.#parts.slice(1)), NOTHING)',
      ],
    ],
    layers: [simulation(20), unit(TRANSACTIONS, LIMITS)],
  },
  {
    id: 'group-whole',
    promise: 'clients',
    breaks: 'the parts of a transaction are folded one by one, so that half of it is there where one cannot be folded',
    edits: [
      [
        'broker/group-fold.ts',
        'const acts = decodeGroup(record).map(part => plan(state, part, found))\n  for (const act of acts) act()',
        'for (const part of decodeGroup(record)) plan(state, part, found)()',
      ],
    ],
    layers: [unit(TRANSACTIONS, LIMITS)],
  },
  {
    id: 'commit-waits',
    promise: 'P2',
    breaks: 'a commit is answered when its record is made, not when it is safe',
    edits: [
      [
        'broker/transactions.ts',
        'if (refusal === null) return this.#end()',
        'if (refusal === null) {\n      done(null)\n      return this.#end()\n    }',
      ],
    ],
    layers: [simulation(20), unit(TRANSACTIONS, LIMITS)],
  },
  {
    id: 'rollback-returns',
    promise: 'clients',
    breaks: 'messages of a transaction that is rolled back after their consumer left are not delivered again',
    edits: [
      [
        'broker/transactions.ts',
        'if (!homeOf(message).dropped) subscription.ownAgain(message)',
        'if (!homeOf(message).dropped && !subscription.abandoned) void message',
      ],
    ],
    layers: [unit(TRANSACTIONS, LIMITS)],
  },
  {
    id: 'reign-ends-transactions',
    promise: 'clients',
    breaks: 'messages of a transaction stay out of reach when the reign ends and begins anew',
    edits: [
      [
        'broker/transactions.ts',
        '{ message } of this.#taken) homeOf(message).giveBack(message)',
        '{ message } of this.#taken) void message',
      ],
    ],
    layers: [unit(TRANSACTIONS, LIMITS)],
  },
  {
    id: 'transaction-limits',
    promise: 'P10',
    breaks: 'a queue’s limit does not count what one transaction brings',
    edits: [
      [
        'broker/intake.ts',
        'queue.line.count + queue.pendingMessages + queue.delayedMessages + messages >= policy.messages',
        'queue.line.count + queue.pendingMessages >= policy.messages',
      ],
    ],
    layers: [unit(TRANSACTIONS, LIMITS)],
  },
  {
    id: 'transaction-bytes',
    promise: 'P10',
    breaks: 'open transactions hold messages without bound',
    edits: [
      [
        'broker/transactions.ts',
        'this.#all.bytes + body.length > TRANSACTIONS_BYTES',
        'this.#all.bytes + body.length > Infinity',
      ],
    ],
    layers: [unit(TRANSACTIONS, LIMITS)],
  },
  {
    id: 'transaction-idle',
    promise: 'P10',
    breaks: 'a transaction that nobody speaks of any more keeps its messages for ever',
    edits: [['protocols/amqp/transactions.ts', 'transaction.rollback(true)', 'void transaction']],
    layers: [unit(AMQP)],
  },
  {
    id: 'transaction-orphans',
    promise: 'clients',
    breaks: 'a transaction whose controller is gone is not rolled back',
    edits: [['protocols/amqp/transactions.ts', 'transaction.rollback(false)', 'void transaction']],
    layers: [unit(AMQP, WILD)],
  },
  {
    id: 'enlisted-decides',
    promise: 'clients',
    breaks: 'what a client settles while a transaction has it stays with it for ever when that is rolled back',
    edits: [['protocols/amqp/outgoing-link.ts', 'if (s.settled) enlisted.settled = true', 'if (s.settled) return']],
    layers: [unit(WILD)],
  },
  {
    id: 'enlisted-unsettled',
    promise: 'clients',
    breaks: 'a delivery that a transaction had cannot be settled after a rollback',
    edits: [['protocols/amqp/outgoing-link.ts', 'else this.#session.stillUnsettled(id, this, sequence)', '']],
    layers: [unit(WILD, AMQP)],
  },
  {
    id: 'transaction-gone-queue',
    promise: 'P4',
    breaks:
      'a commit speaks of the queue of a subscription that was taken away: no server can fold the journal any more',
    edits: [
      [
        'broker/transactions.ts',
        '!homeOf(message).dropped && !subscription.abandoned',
        'message !== null && subscription !== null',
      ],
    ],
    layers: [unit(WILD)],
  },
  {
    id: 'sender-tags',
    promise: 'P2',
    breaks: 'a sender that comes back is told that a new message was accepted, because an old one had its tag',
    edits: [['protocols/amqp/attaching.ts', 'if (f.incompleteUnsettled !== true) memory?.keep(tags)', '']],
    layers: [unit('protocols/amqp/recovery')],
  },
  {
    id: 'usage-once',
    promise: 'P10',
    breaks: 'a message that is sent again before its answer counts twice for its user, and is given back once',
    edits: [
      [
        'access/usage.ts',
        'this.#usage.add(before === undefined ? 1 : 0, bytes - (before ?? 0))',
        'this.#usage.add(1, bytes)',
      ],
    ],
    layers: [unit('access/usage')],
  },
  {
    id: 'temporary-told',
    promise: 'clients',
    breaks: 'who consumes a temporary queue waits on at what is no more',
    edits: [['broker/delivery.ts', 'for (const { consumer } of told) consumer.detached(gone)', 'void [told, gone]']],
    layers: [unit('broker/topic-subscriptions')],
  },
]
