// Mutants of P1 (one server serves) and P6 (the lock host is no single point of failure): what a server asks before it
// acts, what the lease and the passive server's promise rest on, and how a reign ends.

import { drill, exploration, rules, simulation, unit, type Mutant } from './mutant.ts'

const COMMIT = 'replication/commit-rule'
const JUDGE = 'ha/judge'
const LEASE = ['ha/lock-lease', 'ha/lock-explore'] as const

export const serving: readonly Mutant[] = [
  {
    id: 'ack-asks-lease',
    promise: 'P1',
    breaks: 'acknowledgements leave without a look at lease or promise',
    edits: [
      [
        'replication/commit-gate.ts',
        'if (point === this.#committed || !this.mayServe()) return',
        'if (point === this.#committed) return',
      ],
      ['broker/broker.ts', 'const mayAnswer = !this.serving || this.#appending.mayServe()', 'const mayAnswer = true'],
    ],
    layers: [unit(COMMIT), simulation(60, 'frozen')],
  },
  {
    id: 'gate-asks-lease',
    promise: 'P1',
    breaks: 'the commit gate tells what is safe without a look at lease or promise',
    edits: [
      [
        'replication/commit-gate.ts',
        'if (point === this.#committed || !this.mayServe()) return',
        'if (point === this.#committed) return',
      ],
    ],
    layers: [unit(COMMIT)],
  },
  {
    id: 'broker-asks-lease',
    promise: 'P1',
    breaks: 'the broker answers without asking again at that moment',
    edits: [
      ['broker/broker.ts', 'const mayAnswer = !this.serving || this.#appending.mayServe()', 'const mayAnswer = true'],
    ],
    layers: [unit('broker/broker', 'broker/model')],
  },
  {
    id: 'owed-asks-lease',
    promise: 'P1',
    breaks: 'answers that were held back leave at the next news, whatever it is',
    edits: [
      ['broker/broker.ts', 'if (!this.serving || !this.#appending.mayServe()) return', 'if (!this.serving) return'],
    ],
    layers: [unit('broker/broker', 'broker/model')],
  },
  {
    id: 'delivery-asks-lease',
    promise: 'P1',
    breaks: 'deliveries leave without a look at lease or promise',
    edits: [['broker/turns.ts', 'if (this.#ground.mayServe()) {', 'if (delivery.due) {']],
    layers: [unit('broker/broker', 'broker/model'), simulation(60, 'frozen')],
  },
  {
    id: 'nobody-asks',
    promise: 'P1',
    breaks: 'a serving role alone is the right to serve',
    edits: [
      [
        'replication/commit-rule.ts',
        "if (grounds.mode === 'frozen') return false",
        "if (grounds.mode === 'frozen') return false\n  if (grounds.epoch > 0) return true",
      ],
    ],
    layers: [simulation(60, 'frozen'), unit(COMMIT)],
  },
  {
    id: 'deadline-now',
    promise: 'P1',
    breaks: 'the lease counts while it is held, not until its deadline',
    edits: [['replication/commit-rule.ts', 'grounds.leaseDeadline > now &&', 'grounds.leaseDeadline > 0 &&']],
    layers: [simulation(60, 'frozen'), unit(COMMIT)],
  },
  {
    id: 'promise-deadline',
    promise: 'P1',
    breaks: 'the passive server’s promise never runs out',
    edits: [
      [
        'replication/commit-rule.ts',
        'now < grounds.promiseSentAt + grounds.leaseMs - marginMs &&',
        'grounds.promiseSentAt > 0 &&',
      ],
    ],
    layers: [unit(COMMIT)],
  },
  {
    id: 'promise-epoch',
    promise: 'P1',
    breaks: 'an answer counts as a promise although its sender follows another epoch or none',
    edits: [['replication/commit-rule.ts', '    grounds.promiseFollowing === grounds.epoch &&\n', '']],
    layers: [exploration(4000, 'the channel breaks'), unit(COMMIT)],
  },
  {
    id: 'promise-mode',
    promise: 'P1',
    breaks: 'the promise counts although the LockFile does not list the peer',
    edits: [['replication/commit-rule.ts', "    grounds.mode === 'both' &&\n", '']],
    layers: [unit(COMMIT)],
  },
  {
    id: 'slept',
    promise: 'P1',
    breaks: 'a machine that slept counts on a monotonic clock that stood still',
    edits: [
      [
        'replication/commit-rule.ts',
        'wallNow - sinceWall - (now - since) > marginMs',
        'wallNow - sinceWall - (now - since) > Infinity',
      ],
    ],
    layers: [simulation(60, 'asleep'), unit(COMMIT)],
  },
  {
    id: 'slept-lock',
    promise: 'P1',
    breaks: 'the rules see a lock although the machine slept since its renewal',
    edits: [['ha/judge.ts', '&& wall - news.renewedWall - (now - news.renewedAt) <= marginMs', '']],
    layers: [unit(JUDGE)],
  },
  {
    id: 'lease-margin',
    promise: 'P1',
    breaks: 'the lease lasts as long as others wait, without a margin for clock rates',
    edits: [
      ['ha/lease.ts', 'from.at + this.#options.leaseMs - this.#options.marginMs', 'from.at + this.#options.leaseMs'],
    ],
    layers: [unit(...LEASE)],
  },
  {
    id: 'renewal-start',
    promise: 'P1',
    breaks: 'a renewal counts from its answer, not from its start',
    edits: [
      ['ha/lease.ts', 'this.#extend(countsFrom)', 'this.#extend({ at: this.#clock.now(), wall: this.#clock.wall() })'],
    ],
    layers: [unit(...LEASE)],
  },
  {
    id: 'renewal-unknown',
    promise: 'P1',
    breaks: 'a renewal without an answer extends the lease',
    edits: [['ha/lease.ts', 'this.#pending ??= start\n', 'this.#pending ??= start\n        this.#extend(start)\n']],
    layers: [unit(...LEASE)],
  },
  {
    id: 'silence',
    promise: 'P1',
    breaks: 'a token is taken over although its holder lives',
    edits: [
      [
        'ha/lease.ts',
        'return nobodys || this.#clock.now() - seen.since >= lease',
        'return nobodys || this.#clock.now() >= lease',
      ],
    ],
    layers: [unit(...LEASE, 'ha/lock-keeper')],
  },
  {
    id: 'silence-theirs',
    promise: 'P1',
    breaks: 'silence is counted by the own lease, although the holder’s is longer',
    edits: [['ha/lease.ts', 'lease = Math.max(lease, token?.leaseMs ?? 0)', 'lease = Math.max(lease, 0)']],
    layers: [unit('ha/lock-keeper')],
  },
  {
    id: 'alone-look',
    promise: 'P1',
    breaks: 'who has put its token into the folder holds the lock, whoever else is there',
    edits: [['ha/lease.ts', 'return tokens.length === 1 && tokens[0] === mine', 'return tokens.includes(mine)']],
    layers: [unit('ha/lock-lease', 'ha/lock-explore')],
  },
  {
    id: 'goodbye-names-token',
    promise: 'P1',
    breaks: 'a goodbye frees any token, not the one that it names',
    edits: [['ha/lease.ts', '(freed === undefined || token?.hold !== freed)', 'freed === undefined']],
    layers: [unit('ha/lock-lease', 'ha/lock-keeper')],
  },
  {
    id: 'passive-waits',
    promise: 'P1',
    breaks: 'a passive server takes the lock although the active one may lean on its promise',
    edits: [['ha/judge.ts', 'now >= promise.until || (', 'now >= 0 || (']],
    layers: [exploration(4000, 'the channel breaks'), unit(JUDGE)],
  },
  {
    id: 'passive-remembers',
    promise: 'P1',
    breaks: 'what a passive server has promised is forgotten with the channel',
    edits: [
      [
        'ha/sensors.ts',
        'until: Math.max(this.#startedAt + this.#parts.intervals.leaseMs, this.boundUntil),',
        'until: this.#startedAt + this.#parts.intervals.leaseMs,',
      ],
    ],
    layers: [simulation(40, 'promised'), unit('ha/sensors')],
  },
  {
    id: 'restarted-waits',
    promise: 'P1',
    breaks: 'a restarted server does not keep what it may have promised in its life before',
    edits: [
      [
        'ha/sensors.ts',
        'until: Math.max(this.#startedAt + this.#parts.intervals.leaseMs, this.boundUntil),',
        'until: this.boundUntil,',
      ],
    ],
    layers: [unit('ha/sensors')],
  },
  {
    id: 'mark-epoch',
    promise: 'P1',
    breaks: 'the mark of any former reign releases from the promise to the present one',
    edits: [['ha/judge.ts', 'promise.releasedEpoch >= record.epoch', 'promise.releasedEpoch > 0']],
    layers: [unit(JUDGE)],
  },
  {
    id: 'pong-time',
    promise: 'P1',
    breaks: 'an answered ping counts from the answer’s arrival',
    edits: [
      [
        'replication/pulse.ts',
        'return this.#sent[number % PINGS_LIMIT] ?? null',
        'return { sentAt: this.#clock.now(), sentWall: this.#clock.wall() }',
      ],
    ],
    layers: [unit('replication/back-channel')],
  },
  {
    id: 'superseded',
    promise: 'P1',
    breaks: 'a reign goes on although the LockFile names a later one',
    edits: [
      [
        'ha/reign.ts',
        'if (!this.now || newest.seq <= this.now.record.seq || newest.id === this.pending?.id) return false',
        'if (newest.seq >= 0) return false',
      ],
    ],
    layers: [unit('ha/reign')],
    hidden: 'a reign ends by its next record, too, which is lost',
  },
  {
    id: 'handover-freezes',
    promise: 'P1',
    breaks: 'the active server goes on acting while it offers its reign',
    edits: [['ha/handover.ts', "    gate.setMode('frozen')\n    service.close('handed over to the peer')\n", '']],
    layers: [exploration(4000, 'a switchover and a broken channel'), unit('ha/last-words')],
  },
  {
    id: 'handover-recorded',
    promise: 'P1',
    breaks: 'a handover is taken back without a record, although the peer may be taking it',
    edits: [
      [
        'ha/handover.ts',
        'this.#calls.resume(won => {',
        'void ((decided: (won: boolean) => void) => decided(true))(won => {',
      ],
    ],
    layers: [exploration(4000, 'a switchover and a broken channel'), unit('ha/last-words')],
  },
  {
    id: 'stopped-freezes',
    promise: 'P1',
    breaks: 'a server that says goodbye goes on acknowledging and delivering',
    edits: [
      ['ha/departure.ts', "    gate.setMode('frozen')\n    if (SERVING.has(acts.role)) service.close(REASON)\n", ''],
    ],
    layers: [unit('ha/last-words')],
  },
  {
    id: 'secret',
    promise: 'P1',
    breaks: 'who does not know the pair’s secret is taken for the peer',
    edits: [
      [
        'replication/handshake.ts',
        "if (!timingSafeEqual(Buffer.from(proof, 'hex'), Buffer.from(expected, 'hex')))",
        'if (proof.length !== expected.length)',
      ],
    ],
    layers: [unit('replication/strangers')],
  },
  {
    id: 'rule-begins-with-lock',
    promise: 'P1',
    breaks: 'rule W2: a waiting server begins to serve without the lock',
    edits: [
      [
        'states/rules.ts',
        "when: { reign: ['solo'], lock: ['held'], copy: ['whole'], peer: ['WAITING', 'PASSIVE SYNC'] }, to: 'ACTIVE SYNC'",
        "when: { reign: ['solo'], copy: ['whole'], peer: ['WAITING', 'PASSIVE SYNC'] }, to: 'ACTIVE SYNC'",
      ],
    ],
    layers: [rules],
  },
  {
    id: 'rule-lock-lost',
    promise: 'P1',
    breaks: 'rule S2: a standalone server stays one after it has lost the lock',
    edits: [
      [
        'states/rules.ts',
        "  { id: 'S2', from: 'STANDALONE', when: { lock: ['none'] }, to: 'WAITING', because: 'the lock is lost' },\n",
        '',
      ],
    ],
    layers: [rules],
  },
  {
    id: 'lock-host-lost',
    promise: 'P6',
    breaks: 'rule B4: the active server gives up with the lock, although its passive vouches for it',
    edits: [
      [
        'states/rules.ts',
        "when: { lock: ['none'], promise: ['over'], peer: ['DEAD', 'WAITING'] }, to: 'WAITING'",
        "when: { lock: ['none'] }, to: 'WAITING'",
      ],
    ],
    layers: [rules, drill('cut of the active server’s share$')],
  },
  {
    id: 'promise-slept',
    promise: 'P1',
    breaks: 'a server whose machine slept takes its peer’s promise for fresh, and goes on in a reign that is over',
    edits: [['ha/sensors.ts', 'if (this.news.held || answered === null) return false', 'return false']],
    layers: [unit('ha/sensors')],
  },
  {
    id: 'force-lapses',
    promise: 'P3',
    breaks: 'an order to force that could not be carried out passes over a better copy that comes later',
    edits: [
      [
        'ha/force-active.ts',
        "    sensors.forced = ''\n    notes.fault(haError('FORCE-LAPSED'",
        "    notes.fault(haError('FORCE-LAPSED'",
      ],
    ],
    layers: [unit('ha/conductor')],
  },
  {
    id: 'force-gateway',
    promise: 'P3',
    breaks: 'such an order is taken where no server can become active',
    edits: [['ha/force-active.ts', "if (sensors.gatewayUp === false) return haError('FORCE-NO-GATEWAY')", '']],
    layers: [unit('ha/conductor')],
  },
  {
    id: 'handover-lag',
    promise: 'clients',
    breaks: 'a reign is handed over to a server that has long to fold, with clients waiting',
    edits: [['ha/peer-question.ts', 'lag > LAG_RECORDS ?', 'lag > Infinity ?']],
    layers: [unit('ha/peer-question')],
  },
  {
    id: 'handover-asks',
    promise: 'P6',
    breaks: 'the reign is offered, and service frozen, though the peer said that it could not take over',
    edits: [['ha/handover.ts', "if (able !== 'yes')", "if (able === 'later')"]],
    layers: [unit('ha/switchover')],
  },
  {
    id: 'stop-covered',
    promise: 'P6',
    breaks: 'an operator’s stop ends the service while the other server does not reach the LockFile',
    edits: [['ha/departure.ts', 'if (this.#anyway) {', 'if (this.#asked) {']],
    layers: [unit('ha/switchover')],
  },
  {
    id: 'promise-serves',
    promise: 'P6',
    breaks: 'the passive server’s promise is no ground for serving',
    edits: [['replication/commit-rule.ts', "grounds.mode === 'both' &&", "grounds.mode === 'frozen' &&"]],
    layers: [unit(COMMIT)],
  },
]
