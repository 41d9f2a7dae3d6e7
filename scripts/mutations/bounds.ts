// Mutants of P8 (a bad profile never starts), P9 (a hung share never hangs the broker), P10 (everything is bounded), of
// coming back by itself, and of what clients are told.

import { drill, simulation, unit, type Mutant } from './mutant.ts'

const PROFILES = ['profiles/rules', 'profiles/reading', 'ha/lock-intervals'] as const
const BROKER = ['broker/broker', 'broker/model'] as const

export const bounds: readonly Mutant[] = [
  {
    id: 'profile-ratio',
    promise: 'P8',
    breaks: 'a lease that leaves no room for two renewals is accepted',
    edits: [['profiles/intervals.ts', 'if (Q <= 2 * renewal) {', 'if (Q <= 0) {']],
    layers: [unit(...PROFILES)],
  },
  {
    id: 'profile-margin',
    promise: 'P8',
    breaks: 'a lease that leaves no room for the margin is accepted',
    edits: [['profiles/intervals.ts', '} else if (Q < used + M + 2 * LEAST_OPERATION_MS) {', '} else if (Q < 0) {']],
    layers: [unit(...PROFILES)],
  },
  {
    id: 'share-limit',
    promise: 'P9',
    breaks: 'an operation on the share may take as long as it likes',
    edits: [
      [
        'server/share.ts',
        'const timer = this.#clock.after(limitMs, () => {',
        'const timer = this.#clock.after(limitMs * 30, () => {',
      ],
    ],
    layers: [unit('server/keeper-share')],
  },
  {
    id: 'share-lane',
    promise: 'P9',
    breaks: 'operations on a hung share pile up',
    edits: [['server/share.ts', '    if (lane.busy) {', '    if (lane.busy && limitMs < 0) {']],
    layers: [unit('server/keeper-share')],
  },
  {
    id: 'share-exit',
    promise: 'P9',
    breaks: 'a keeper with a hanging operation leaves by process.exit, which waits for it',
    edits: [
      [
        'server/keeper-process.ts',
        "if (share.onTheirWay > 0) process.kill(process.pid, 'SIGKILL')",
        "if (share.onTheirWay < 0) process.kill(process.pid, 'SIGKILL')",
      ],
    ],
    layers: [unit('server/keeper-process')],
  },
  {
    id: 'keeper-gone',
    promise: 'P9',
    breaks: 'a broker whose keeper is gone, or gives no sign of life, goes on as if nothing were',
    edits: [
      ['ha/conductor.ts', 'keeper.onGone = () => this.departure.keeperGone()', 'keeper.onGone = () => {}'],
      [
        'ha/conductor.ts',
        "keeperFrozen: silenceMs => this.departure.keeperFrozen(haError('KEEPER-FROZEN', { silenceMs }))",
        "keeperFrozen: silenceMs => void haError('KEEPER-FROZEN', { silenceMs })",
      ],
    ],
    layers: [unit('ha/conductor'), simulation(60), drill('kill -9 of the active keeper')],
  },
  {
    id: 'silent-follower',
    promise: 'P10',
    breaks: 'a follower that answers nothing is waited for without end',
    edits: [
      [
        'replication/silence.ts',
        'if (this.#since === since) this.#onSilent()',
        'if (this.#since < 0) this.#onSilent()',
      ],
    ],
    layers: [unit('replication/shipper')],
  },
  {
    id: 'silent-peer',
    promise: 'P10',
    breaks: 'a silent peer is never given up',
    edits: [
      [
        'replication/pulse.ts',
        'return this.#clock.now() - this.#heardAt >= this.#limits.silenceMs',
        'return this.#clock.now() - this.#heardAt >= Infinity',
      ],
    ],
    layers: [unit('replication/back-channel')],
  },
  {
    id: 'backlog',
    promise: 'P10',
    breaks: 'what is not safe yet may grow without bound',
    edits: [
      [
        'replication/commit-gate.ts',
        'if (this.uncommittedBytes >= limits.uncommittedBytes) {',
        'if (this.uncommittedBytes >= Infinity) {',
      ],
    ],
    layers: [unit('replication/commit-rule')],
  },
  {
    id: 'flood',
    promise: 'P10',
    breaks: 'a follower takes more than its disk can follow',
    edits: [
      [
        'replication/receiver.ts',
        'if (this.#unflushedBytes + bytes.length > limits.unflushedBytes && this.#ends.length > 0) {',
        'if (this.#unflushedBytes + bytes.length > Infinity) {',
      ],
    ],
    layers: [unit('replication/receiver')],
  },
  {
    id: 'window',
    promise: 'P10',
    breaks: 'records are shipped beyond the window',
    edits: [
      [
        'replication/window.ts',
        'this.#count < this.#ends.length && this.#bytes + bytes <= this.#maxBytes',
        'this.#count < this.#ends.length',
      ],
    ],
    layers: [unit('replication/shipper')],
  },
  {
    id: 'stranger-bytes',
    promise: 'P10',
    breaks: 'who has proved nothing may send as much as the peer',
    edits: [['replication/handshake.ts', 'if (message.length > STRANGER_BYTES)', 'if (message.length > Infinity)']],
    layers: [unit('replication/strangers')],
  },
  {
    id: 'strangers',
    promise: 'P10',
    breaks: 'any number of strangers is held',
    edits: [
      [
        'replication/back-channel.ts',
        'if (this.#strangers.size < STRANGERS_LIMIT) return',
        'if (this.#strangers.size < Infinity) return',
      ],
    ],
    layers: [unit('replication/strangers')],
  },
  {
    id: 'frame-size',
    promise: 'P10',
    breaks: 'an AMQP frame may be as large as it says',
    edits: [
      [
        'protocols/amqp/framing.ts',
        'const limit = this.#sink.frameBytes\n    if (size > limit) throw',
        'const limit = this.#sink.frameBytes\n    if (size > Infinity) throw',
      ],
    ],
    layers: [unit('protocols/amqp/fuzz', 'protocols/amqp/connection')],
  },
  {
    id: 'queue-pending',
    promise: 'P10',
    breaks: 'a queue’s limit does not count what is on its way in',
    edits: [
      [
        'broker/intake.ts',
        'if (queue.line.count + queue.pendingMessages + queue.delayedMessages + messages >= policy.messages) {',
        'if (queue.line.count >= policy.messages) {',
      ],
    ],
    layers: [unit(...BROKER)],
  },
  {
    id: 'store',
    promise: 'P10',
    breaks: 'all queues together may hold more than the limit',
    edits: [['broker/intake.ts', 'if (heldBytes + cost > limits.storeBytes) {', 'if (heldBytes + cost > Infinity) {']],
    layers: [unit('broker/store-limits')],
  },
  {
    id: 'memory',
    promise: 'P10',
    breaks: 'all queues together may hold more in memory than the limit',
    edits: [
      [
        'broker/intake.ts',
        'if (residentBytes + cost > limits.memoryBytes) {',
        'if (residentBytes + cost > Infinity) {',
      ],
    ],
    layers: [unit('broker/store-limits')],
  },
  {
    id: 'connections',
    promise: 'P10',
    breaks: 'any number of clients is let in',
    edits: [
      [
        'broker/broker.ts',
        'if (this.#connections >= this.limits.connections) {',
        'if (this.#connections >= Infinity) {',
      ],
    ],
    layers: [unit(...BROKER)],
  },
  {
    id: 'mark-first',
    promise: 'live',
    breaks: 'the lock is released before the mark of the end is left, so that the other server waits all the same',
    edits: [
      [
        'ha/keeper.ts',
        "if (lock.lease.unreleased && this.#mark !== 'wanted' && now >= this.#leaseAt) this.#release()",
        'if (lock.lease.unreleased && now >= this.#leaseAt) this.#release()',
      ],
    ],
    layers: [unit('ha/lock-keeper')],
  },
  {
    id: 'frozen-broker',
    promise: 'live',
    breaks: 'a keeper lets a frozen broker be, and renews its lock for ever',
    edits: [
      [
        'server/broker-process.ts',
        'if (now - this.#aliveAt >= limitMs && !this.#killed) {',
        'if (now - this.#aliveAt >= Infinity && !this.#killed) {',
      ],
    ],
    layers: [unit('server/keeper-process')],
  },
  {
    id: 'first-acquirer',
    promise: 'clients',
    breaks: 'after a takeover a message that may have been delivered before is said to be new',
    edits: [
      [
        'broker/delivery.ts',
        'message.firstAcquirer = !message.offered && message.sequence > suspectThrough',
        'message.firstAcquirer = !message.offered',
      ],
    ],
    layers: [unit(...BROKER)],
  },
]
