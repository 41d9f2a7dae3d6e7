// Mutants of topics, sessions and the ways out of a queue: what is only heard asks the lease too, answers keep their order,
// limits count what is on its way, and a group, a selector or a browser gets what is its own.

import { unit, type Mutant } from './mutant.ts'

const ANSWERS = 'broker/topic-answers'
const GROUPS = 'broker/groups'
/** A message that was asked for while others of its group are away. */
const NOTED = 'away.sequence = Math.min(away.sequence, sequence)'
const ORPHANS = 'broker/orphans'
const RETAINED = 'broker/retained'
const SEEKERS = 'broker/seekers'
const SESSIONS = 'protocols/mqtt/sessions'
const SHARED = 'protocols/mqtt/shared'
const STORM = 'protocols/mqtt/storm'

export const topics: readonly Mutant[] = [
  {
    id: 'listeners-ask-lease',
    promise: 'P1',
    breaks: 'what is only heard is answered without a look at lease or promise',
    edits: [['broker/topic-target.ts', 'const may = ground.mayServe()', 'const may = true']],
    layers: [unit(ANSWERS)],
  },
  {
    id: 'volatile-asks-lease',
    promise: 'P1',
    breaks: 'a temporary queue answers without a look at lease or promise',
    edits: [
      [
        'broker/volatile.ts',
        'this.#ground.ledger.published(producer, tag, this.#ground.mayServe())',
        'this.#ground.ledger.published(producer, tag, true)',
      ],
    ],
    layers: [unit(ANSWERS)],
  },
  {
    id: 'answers-in-order',
    promise: 'clients',
    breaks: 'an answer without a record overtakes one that waits for its record',
    edits: [
      [
        'broker/ledger.ts',
        'if (mayAnswer && awaits <= this.#saidThrough) return',
        'if (mayAnswer || awaits < 0) return',
      ],
    ],
    layers: [unit(ANSWERS)],
  },
  {
    id: 'retained-expected',
    promise: 'P10',
    breaks: 'the limit of retained messages does not count those whose records are on their way',
    edits: [
      [
        'broker/retained.ts',
        'this.bytes + this.#expectedBytes + bytes > retainedBytes',
        'this.bytes + bytes > retainedBytes',
      ],
      ['broker/retained.ts', 'this.count + this.#expectedCount >= retainedMessages', 'this.count >= retainedMessages'],
    ],
    layers: [unit(RETAINED)],
  },
  {
    id: 'retained-shrinks',
    promise: 'clients',
    breaks: 'at the limit a retained message cannot be replaced by a smaller one',
    edits: [['broker/retained.ts', 'if (bytes <= 0) return null', 'if (bytes < -Infinity) return null']],
    layers: [unit(RETAINED)],
  },
  {
    id: 'client-owner',
    promise: 'clients',
    breaks: 'a user takes over the session of another user’s client',
    edits: [
      [
        'broker/sessions.ts',
        "if (before !== undefined && before.user !== '' && before.user !== user)",
        "if (before !== undefined && before.user === '-' && before.user !== user)",
      ],
    ],
    layers: [unit('broker/topic-status')],
  },
  {
    id: 'group-sticks',
    promise: 'clients',
    breaks: 'messages of a group go to whichever consumer is next',
    edits: [['broker/groups.ts', 'held === undefined || held.owner === owner', 'held === undefined || held.owner']],
    layers: [unit(GROUPS)],
  },
  {
    id: 'group-waits',
    promise: 'clients',
    breaks: 'messages of a group overtake one that failed and is not back yet',
    edits: [['broker/groups.ts', `${NOTED}\n      return false`, NOTED]],
    layers: [unit(GROUPS)],
  },
  {
    id: 'group-looked',
    promise: 'clients',
    breaks: 'what was given back while another one of its group had failed is overtaken by it',
    edits: [['broker/groups.ts', `${NOTED}\n      return false`, 'return false']],
    layers: [unit(GROUPS)],
  },
  {
    id: 'group-lent',
    promise: 'clients',
    breaks: 'messages of a group overtake one that the transaction of a consumer has which left',
    edits: [['broker/subscription.ts', '[...owned, ...this.#lent]', 'owned']],
    layers: [unit(GROUPS)],
  },
  {
    id: 'group-again',
    promise: 'clients',
    breaks: 'who serves again forgets which deliveries had failed, and a group goes on without them',
    edits: [['broker/delivery.ts', 'one.standing === Standing.RETURNING && this.away', 'one === null && this.away']],
    layers: [unit(GROUPS)],
  },
  {
    id: 'group-sole',
    promise: 'clients',
    breaks: 'an exclusive consumer does not get the groups that others have',
    edits: [['broker/delivery.ts', 'if (one !== sole) this.#part(one)', 'if (one === null) this.#part(one)']],
    layers: [unit(GROUPS)],
  },
  {
    id: 'group-rest',
    promise: 'clients',
    breaks: 'what waits of a group at its end is looked at by nobody any more',
    edits: [['broker/groups.ts', 'this.#held.get(bucket)?.refused ?? Infinity', 'Infinity']],
    layers: [unit(GROUPS)],
  },
  {
    id: 'group-empty',
    promise: 'clients',
    breaks: 'a group changes its consumer when its queue was empty',
    edits: [['broker/delivery.ts', 'this.groups.allBack()', 'this.groups.clear()']],
    layers: [unit(GROUPS)],
  },
  {
    id: 'group-browsed',
    promise: 'clients',
    breaks: 'who browses sees messages of groups again when a consumer leaves',
    edits: [['broker/seeker.ts', 'this.browses || sequence > this.after', 'sequence > this.after']],
    layers: [unit(GROUPS)],
  },
  {
    id: 'orphan-session',
    promise: 'P10',
    breaks: 'the hidden queue of a session that the log did not take stays',
    edits: [['broker/sessions.ts', 'ground.orphaned(queue)', 'void queue']],
    layers: [unit(ORPHANS)],
  },
  {
    id: 'orphan-subscription',
    promise: 'P10',
    breaks: 'the hidden queue of a subscription that the log did not take stays',
    edits: [['broker/topic-subscriptions.ts', 'ground.orphaned(queue)', 'void queue']],
    layers: [unit(ORPHANS)],
  },
  {
    id: 'orphan-reign',
    promise: 'P10',
    breaks: 'hidden queues that an earlier reign left without an owner stay',
    edits: [['broker/orphans.ts', 'this.#mustLook = this.#left().length > 0', 'this.#mustLook = false']],
    layers: [unit(ORPHANS)],
  },
  {
    id: 'orphan-young',
    promise: 'clients',
    breaks: 'the queue of a new session or subscription goes before the record of its owner is safe',
    edits: [['broker/orphans.ts', 'queue.id <= suspectThrough', 'queue.id > 0']],
    layers: [unit(ORPHANS)],
  },
  {
    id: 'away-unsent',
    promise: 'clients',
    breaks: 'what came for a client while it was away is said, after a failover, to have been sent before',
    edits: [
      [
        'broker/session-state.ts',
        'if (this.awaySince === 0) return Infinity',
        'if (this.awaySince >= 0) return Infinity',
      ],
    ],
    layers: [unit(SESSIONS)],
  },
  {
    id: 'away-sent',
    promise: 'clients',
    breaks: 'what was sent to a client before a failover comes again without DUP, because it had been away once',
    edits: [['broker/session-state.ts', 'this.awaySince = 0\n    this.#awayBy = 0', 'this.awaySince = 0']],
    layers: [unit(STORM)],
  },
  {
    id: 'turns-apart',
    promise: 'clients',
    breaks: 'all shared subscriptions of a topic take turns together, and each gives all to one member',
    edits: [
      [
        'broker/topics.ts',
        'const turn = group.turn.next++',
        'const turn = groups.reduce((sum, one) => sum + one.turn.next, 0); group.turn.next++',
      ],
    ],
    layers: [unit(SHARED)],
  },
  {
    id: 'selector-judges',
    promise: 'clients',
    breaks: 'a consumer with a selector gets everything',
    edits: [
      [
        'broker/seeker.ts',
        'return selector === null || selector.matches(',
        'return selector !== undefined || selector.matches(',
      ],
    ],
    layers: [unit(SEEKERS)],
  },
  {
    id: 'browser-takes-none',
    promise: 'clients',
    breaks: 'a browser takes what it looks at',
    edits: [['broker/seeker.ts', 'if (this.browses) return shownOf(message)\n', '']],
    layers: [unit(SEEKERS)],
  },
  {
    id: 'fold-spoils',
    promise: 'P3',
    breaks: 'a follower goes on with a state into which a record did not fold',
    edits: [
      [
        'replication/state-fold.ts',
        '    this.spoil()\n    this.#parts.onFailed(error)',
        '    this.#parts.onFailed(error)',
      ],
    ],
    layers: [unit('replication/receiver')],
  },
  {
    id: 'session-ended-put',
    promise: 'P4',
    breaks: 'a record speaks of a session’s queue after the one that ends it: no server can fold the journal any more',
    edits: [['broker/session-link.ts', 'if (!this.#seat.ended) this.#ground.put(', 'this.#ground.put(']],
    layers: [unit('protocols/mqtt/session-ends', 'protocols/mqtt/wild')],
  },
  {
    id: 'retained-form',
    promise: 'clients',
    breaks: 'a retained message is copied from where its first packet lay, whatever lies there now',
    edits: [['protocols/mqtt/outbound.ts', 'if (form && form.out.rounds === form.round)', 'if (form)']],
    layers: [unit('protocols/mqtt/retained-form')],
  },
  {
    id: 'retained-expires',
    promise: 'P10',
    breaks: 'retained messages that expired are kept, and counted, for ever',
    edits: [
      [
        'broker/retained-sweep.ts',
        'const over = retained.takeExpired(now)',
        'const over = null as ReturnType<typeof retained.takeExpired>',
      ],
    ],
    layers: [unit('broker/retained-expiry')],
  },
  {
    id: 'retained-newest',
    promise: 'clients',
    breaks: 'a retained message that takes the place of one that expires is taken away in its stead',
    edits: [
      [
        'broker/retained-sweep.ts',
        'if (retained.isChanging(over.topic))',
        'if (retained.isChanging(`no ${over.topic}`))',
      ],
    ],
    layers: [unit('broker/retained-expiry')],
  },
  {
    id: 'will-waits',
    promise: 'clients',
    breaks: 'a will that is due while the log takes no record is dropped',
    edits: [['broker/wills.ts', 'if (!isTaken && ground.crowded) return false', '']],
    layers: [unit('protocols/mqtt/session-ends')],
  },
  {
    id: 'sessions-wait',
    promise: 'P10',
    breaks: 'each session that has something due is tried again every 20 ms while the log takes no record',
    edits: [
      [
        'broker/sessions.ts',
        'if (!this.#catchUp(seat, now)) return this.#plan(RETRY_MS)',
        'if (!this.#catchUp(seat, now)) next = now',
      ],
    ],
    layers: [unit('protocols/mqtt/session-ends')],
  },
  {
    id: 'retained-looks',
    promise: 'P10',
    breaks: 'one turn goes through all retained messages that were replaced before they expired',
    edits: [['broker/retained.ts', 'let looks = SEEN_WITH_EACH; looks > 0 &&', 'let looks = Infinity; looks > 0 &&']],
    layers: [unit('broker/retained-expiry')],
  },
  {
    id: 'expired-window',
    promise: 'clients',
    breaks: 'a message that expires on its way to a client takes a place in its window for ever',
    edits: [
      [
        'broker/session-link.ts',
        'no answer of the client will say so.\n      this.#credit()',
        'no answer of the client will say so.',
      ],
    ],
    layers: [unit('protocols/mqtt/session-ends')],
  },
  {
    id: 'will-grace',
    promise: 'clients',
    breaks: 'a client that came back after a failover has no will published at a clean start',
    edits: [['broker/sessions.ts', 'seat.graceUntil = 0\n    this.#enter(seat)', 'this.#enter(seat)']],
    layers: [unit('protocols/mqtt/session-ends')],
  },
  {
    id: 'unsubscribe-again',
    promise: 'clients',
    breaks: 'an UNSUBSCRIBE that was not recorded takes the subscription out of memory, and can not be done again',
    edits: [['protocols/mqtt/subscriptions.ts', 'this.#listen(filter, known.options)\n        if', 'if']],
    layers: [unit('protocols/mqtt/session-ends')],
  },
  {
    id: 'unsubscribe-told',
    promise: 'clients',
    breaks: 'a client of MQTT 3.1.1 is told that an UNSUBSCRIBE is done that was not recorded',
    edits: [
      [
        'protocols/mqtt/subscriptions.ts',
        "if (this.#host.version === 4) this.#host.fail(fault('QUOTA', { why: refusal.text }))",
        'void fault',
      ],
    ],
    layers: [unit('protocols/mqtt/session-ends')],
  },
]
