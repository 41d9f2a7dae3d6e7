// Mutants of P3 (a stale copy never serves) and P4 (nor a partial one): what is asked of the LockFile and of a copy before
// it takes over, follows or joins.

import { exploration, rules, simulation, unit, type Mutant } from './mutant.ts'

const JUDGE = 'ha/judge'
const RECEIVER = 'replication/receiver'
const SHIPPER = 'replication/shipper'
const REGISTER = 'ha/lock-register'

/** Of the digests: where two journals part is found from their epochs alone. */
const SECOND_LINE =
  'where two journals part is found by epochs, rightly; digests are the second line, see digests-nowhere'
/** Of the newest record known: each is covered by the others. */
const TOLD_BY_OTHERS = 'the other guards of what is known cover for it, see known-nowhere'

export const copies: readonly Mutant[] = [
  {
    id: 'in-sync',
    promise: 'P3',
    breaks: 'a server takes over although the LockFile does not list it as in sync',
    edits: [['ha/judge.ts', "  if (!mine) return 'peer'\n", '']],
    layers: [simulation(60), unit(JUDGE)],
  },
  {
    id: 'in-sync-store',
    promise: 'P3',
    breaks: 'a new disk under an old name counts as in sync',
    edits: [
      [
        'ha/judge.ts',
        'member.server === label && member.store === storeId',
        "member.server === label && storeId !== ''",
      ],
    ],
    layers: [exploration(6000, 'a crash and an empty disk'), unit(JUDGE)],
  },
  {
    id: 'in-sync-position',
    promise: 'P3',
    breaks: 'a store restored from an old backup counts as the one that was listed',
    edits: [
      [
        'ha/judge.ts',
        "if (comparePositions(self.position, record.position) < 0) return 'short'",
        "if (self.position.sequence < 0) return 'short'",
      ],
    ],
    layers: [unit(JUDGE)],
    hidden: 'no fault of the simulation puts an old backup of a data directory back',
  },
  {
    id: 'known-register',
    promise: 'P3',
    breaks: 'a LockFile older than what this server knows is believed',
    edits: [['ha/judge.ts', "if (record.seq < self.known) return 'behind'", "if (record.seq < 0) return 'behind'"]],
    layers: [exploration(10_000, 'the channel breaks'), unit(JUDGE)],
  },
  {
    id: 'known-empty',
    promise: 'P3',
    breaks: 'where the LockFile was deleted, a pair that was is founded anew',
    edits: [['ha/judge.ts', "self.known > 0 ? 'behind' : 'empty'", "self.known < 0 ? 'behind' : 'empty'"]],
    layers: [unit(JUDGE)],
  },
  {
    id: 'known-pair',
    promise: 'P3',
    breaks: 'the LockFile of another pair is believed',
    edits: [
      [
        'ha/judge.ts',
        "if (self.pairId !== '' && record.pairId !== self.pairId) return 'foreign'",
        "if (record.pairId === 'none') return 'foreign'",
      ],
    ],
    layers: [unit(JUDGE)],
    hidden: 'one world of the simulation has one pair',
  },
  {
    id: 'known-leader',
    promise: 'P3',
    breaks: 'a leader whose newest record is older than ours is followed',
    edits: [['replication/receiver.ts', 'if (begin.recordSeq < store.mk) {', 'if (begin.recordSeq < 0) {']],
    layers: [unit(RECEIVER)],
    hidden: `${TOLD_BY_OTHERS}; the exploration’s own follower does, without its guard “newest leader”`,
  },
  {
    id: 'known-durable',
    promise: 'P3',
    breaks: 'which LockFile records were seen is not remembered',
    edits: [
      [
        'replication/store-state.ts',
        'if (recordSeq > this.#stored.mk) this.#write({ ...this.#stored, mk: recordSeq })',
        'if (recordSeq < 0) this.#write({ ...this.#stored, mk: recordSeq })',
      ],
    ],
    layers: [simulation(20, 'rolledBack'), unit('replication/store-state', RECEIVER)],
  },
  {
    id: 'known-peer',
    promise: 'P3',
    breaks: 'what the peer knows of the LockFile is not remembered here',
    edits: [
      [
        'ha/conductor.ts',
        "if (greeting && state && store.pairId !== '' && greeting.pairId === store.pairId) store.knew(state.recordSeq)",
        "if (greeting && state && store.pairId === 'none') store.knew(state.recordSeq)",
      ],
    ],
    layers: [unit('ha/known-records')],
    hidden: TOLD_BY_OTHERS,
  },
  {
    id: 'known-append',
    promise: 'P3',
    breaks: 'a server appends a record of a number that the peer has told of, where the share has forgotten it',
    edits: [
      [
        'ha/duty-work.ts',
        "sensors.forced === '' && !reign.pending && record.seq <= store.mk",
        "sensors.forced === '' && !reign.pending && record.seq < 0",
      ],
    ],
    layers: [unit('ha/known-records')],
    hidden: TOLD_BY_OTHERS,
  },
  {
    id: 'known-nowhere',
    promise: 'P3',
    breaks: 'nobody asks what the newest LockFile record was that a server has known',
    edits: [
      ['replication/receiver.ts', 'if (begin.recordSeq < store.mk) {', 'if (begin.recordSeq < 0) {'],
      [
        'replication/receiver.ts',
        'if (begin.epoch < newest || begin.epoch > begin.recordSeq) {',
        'if (begin.epoch < 0) {',
      ],
      ['ha/judge.ts', "if (record.seq < self.known) return 'behind'", "if (record.seq < 0) return 'behind'"],
      [
        'ha/duty-work.ts',
        "sensors.forced === '' && !reign.pending && record.seq <= store.mk",
        "sensors.forced === '' && !reign.pending && record.seq < 0",
      ],
    ],
    layers: [simulation(20, 'rolledBack'), unit(JUDGE)],
  },
  {
    id: 'leader-pair',
    promise: 'P3',
    breaks: 'a leader of another pair is followed',
    edits: [
      [
        'replication/receiver.ts',
        "if (store.pairId !== '' && begin.pairId !== store.pairId) {",
        "if (begin.pairId === 'none') {",
      ],
    ],
    layers: [unit(RECEIVER)],
    hidden: 'one world of the simulation has one pair',
  },
  {
    id: 'rollback-seen',
    promise: 'P3',
    breaks: 'a share whose newest records are gone is believed',
    edits: [
      [
        'ha/register.ts',
        'if (newest < this.#highest) return yield* this.#confirmRollback(newest)',
        'if (newest < 0) return yield* this.#confirmRollback(newest)',
      ],
    ],
    layers: [unit(REGISTER)],
  },
  {
    id: 'record-damaged',
    promise: 'P3',
    breaks: 'a damaged record is read all the same',
    edits: [
      [
        'ha/record-text.ts',
        "if (sum(body) !== checksum) return 'its checksum does not fit'",
        "if (sum(body) === '') return 'its checksum does not fit'",
      ],
    ],
    layers: [unit(REGISTER)],
  },
  {
    id: 'duty-in-sync',
    promise: 'P3',
    breaks: 'duty T1: a passive server takes over whatever the LockFile says of it',
    edits: [
      [
        'states/duties.ts',
        "{ id: 'T1', role: 'PASSIVE', when: { lock: ['held'], reign: ['none'], peer: ['DEAD'], quiet: ['yes'], gateway: ['up'], record: ['both', 'self'], copy: ['whole'] }",
        "{ id: 'T1', role: 'PASSIVE', when: { lock: ['held'], reign: ['none'], peer: ['DEAD'], quiet: ['yes'], gateway: ['up'], copy: ['whole'] }",
      ],
    ],
    layers: [rules],
  },
  {
    id: 'force-accepts',
    promise: 'P3',
    breaks: 'an operator can force a server without accepting the loss',
    edits: [['admin/api.ts', 'if (acceptLoss !== true) return wrong(', 'if (acceptLoss === 0) return wrong(']],
    layers: [unit('admin/api')],
  },
  {
    id: 'dirty-tail',
    promise: 'P4',
    breaks: 'a copy that is being cut is not marked as partial',
    edits: [['replication/receiver.ts', 'if (!listed()) store.setDirty(true)', 'if (listed()) store.setDirty(false)']],
    layers: [unit(RECEIVER)],
  },
  {
    id: 'dirty-snapshot',
    promise: 'P4',
    breaks: 'a copy that is being replaced is not marked as partial',
    edits: [['replication/receiver.ts', '    store.setDirty(true)\n    this.#fold.spoil()', '    this.#fold.spoil()']],
    layers: [unit(RECEIVER)],
  },
  {
    id: 'dirty-serves',
    promise: 'P4',
    breaks: 'a copy that is marked as partial takes over',
    edits: [
      ['replication/receiver.ts', "    if (this.#parts.store.dirty) throw replicationError('NOT-WHOLE')\n", ''],
      ['ha/sensors.ts', "copy: self.whole || forced ? 'whole' : 'partial'", "copy: 'whole'"],
    ],
    layers: [unit(RECEIVER)],
  },
  {
    id: 'copy-word',
    promise: 'P4',
    breaks: 'the rules are not told that the copy is partial',
    edits: [['ha/sensors.ts', "copy: self.whole || forced ? 'whole' : 'partial'", "copy: 'whole'"]],
    layers: [unit('ha/sensors')],
  },
  {
    id: 'rule-partial',
    promise: 'P4',
    breaks: 'rule D2: a passive server with a partial copy begins to serve',
    edits: [
      [
        'states/rules.ts',
        "{ id: 'D2', from: 'PASSIVE', when: { reign: ['solo'], lock: ['held'], copy: ['whole'], peer: ['DEAD'] }",
        "{ id: 'D2', from: 'PASSIVE', when: { reign: ['solo'], lock: ['held'], peer: ['DEAD'] }",
      ],
    ],
    layers: [rules],
  },
  {
    id: 'rule-synchronized',
    promise: 'P4',
    breaks: 'rule C2: PASSIVE SYNC becomes PASSIVE before the LockFile lists it',
    edits: [
      [
        'states/rules.ts',
        "when: { sync: ['done'], copy: ['whole'], peer: ['ACTIVE SYNC', 'ACTIVE'] }, to: 'PASSIVE'",
        "when: { copy: ['whole'], peer: ['ACTIVE SYNC', 'ACTIVE'] }, to: 'PASSIVE'",
      ],
    ],
    layers: [rules],
  },
  {
    id: 'join-digest',
    promise: 'P4',
    breaks: 'a copy is declared whole without comparing position and digest',
    edits: [['replication/receiver.ts', '    if (!samePosition(last, position)) {', '    if (last.sequence < 0) {']],
    layers: [unit(RECEIVER)],
    hidden: SECOND_LINE,
  },
  {
    id: 'join-flushed',
    promise: 'P4',
    breaks: 'a copy is declared whole before it is flushed',
    edits: [
      [
        'replication/receiver.ts',
        'if (awaited === null || comparePositions(this.#parts.taps.journal.flushed, awaited.position) < 0) return',
        'if (awaited === null) return',
      ],
    ],
    layers: [unit(RECEIVER)],
  },
  {
    id: 'join-acknowledged',
    promise: 'P4',
    breaks: 'the follower is asked to join before it was sent everything acknowledged',
    edits: [
      [
        'replication/shipper.ts',
        "this.#phase !== 'records' || this.#sent.sequence < this.#prepareFrom) return",
        "this.#phase !== 'records') return",
      ],
    ],
    layers: [unit(SHIPPER)],
  },
  {
    id: 'tail-digest',
    promise: 'P4',
    breaks: 'a diverged copy is followed on without comparing the digest where it begins',
    edits: [['replication/receiver.ts', 'if (ours === null || !samePosition(ours, common)) {', 'if (ours === null) {']],
    layers: [unit(RECEIVER)],
    hidden: SECOND_LINE,
  },
  {
    id: 'confirm-digest',
    promise: 'P4',
    breaks: 'a confirmation counts although its digest is another one',
    edits: [['replication/window.ts', "      if (!samePosition(end, position)) return 'differs'\n", '']],
    layers: [unit(SHIPPER)],
    hidden: SECOND_LINE,
  },
  {
    id: 'digests-nowhere',
    promise: 'P4',
    breaks: 'where two journals part is guessed, and no digest is compared: two copies go on that are not the same',
    edits: [
      [
        'replication/negotiation.ts',
        'const sequence = lastCommon(active, follower)',
        'const sequence = Math.min(active.last, follower.last)',
      ],
      ['replication/receiver.ts', 'if (ours === null || !samePosition(ours, common)) {', 'if (ours === null) {'],
      ['replication/receiver.ts', '    if (!samePosition(last, position)) {', '    if (last.sequence < 0) {'],
      ['replication/window.ts', "      if (!samePosition(end, position)) return 'differs'\n", ''],
    ],
    layers: [simulation(60), unit(RECEIVER)],
  },
  {
    id: 'snapshot-checksum',
    promise: 'P4',
    breaks: 'a snapshot is taken in without its checksum',
    edits: [['replication/snapshot-intake.ts', ' && frame.crc === this.#crc', '']],
    layers: [unit(RECEIVER)],
  },
  {
    id: 'listed-replaced',
    promise: 'P4',
    breaks: 'the copy of a listed server is replaced by a snapshot',
    edits: [['replication/receiver.ts', "    if (listed()) throw replicationError('LISTED')\n", '']],
    layers: [unit(RECEIVER)],
  },
  {
    id: 'listed-cut',
    promise: 'P4',
    breaks: 'a listed copy is cut below what it was told is safe',
    edits: [
      ['replication/receiver.ts', 'if (listed() && common.sequence < this.#committed) {', 'if (common.sequence < 0) {'],
    ],
    layers: [unit(RECEIVER)],
  },
]
