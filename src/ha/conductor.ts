// One server's will: takes news from the world, keeps the observation true, steps the machine, has its effects performed,
// and works towards the duties of its role. It decides nothing itself: about roles decide src/states/rules.ts, about
// duties src/states/duties.ts, about what is safe src/replication/commit-rule.ts. The same in production and simulation.

import { never } from '../base/assert.ts'
import { CodedError } from '../base/errors.ts'
import type { Timer } from '../base/ports.ts'
import { comparePositions, type Position } from '../journal/position.ts'
import type { Frame } from '../replication/frames.ts'
import { dutiesOf } from '../states/duties.ts'
import { difference, initialState, roleOf, step, type MachineState } from '../states/machine.ts'
import type { Observation } from '../states/observation.ts'
import { SERVING, type Role } from '../states/roles.ts'
import { Acts } from './acts.ts'
import { Departure } from './departure.ts'
import { DutyWork } from './duty-work.ts'
import { haError } from './errors.ts'
import { forceActive } from './force-active.ts'
import { Handover, NOT_TAKEN } from './handover.ts'
import { isCutOff, lists } from './judge.ts'
import type { FromKeeper, KeeperNews } from './keeper-link.ts'
import { Leader } from './leader.ts'
import { LockSense } from './lock-sense.ts'
import { Notes } from './notes.ts'
import type { Parts } from './parts.ts'
import { PeerLink } from './peer-link.ts'
import { PeerQuestion } from './peer-question.ts'
import { Reign } from './reign.ts'
import { Sensors } from './sensors.ts'

export class Conductor {
  readonly notes: Notes
  readonly peer: PeerLink
  readonly reign: Reign
  readonly leader: Leader
  readonly question: PeerQuestion
  readonly handover: Handover
  readonly sensors: Sensors
  readonly acts: Acts
  readonly work: DutyWork
  readonly departure: Departure
  readonly lock: LockSense
  /** Of the last answered ping of this channel; null before the first. */
  roundTripMs: number | null = null
  /** Called once when the server must end: after a goodbye (null) or because of a fault. */
  onEnd: (error: CodedError | null) => void = () => {}
  readonly #parts: Parts
  #state: MachineState = initialState()
  #busy = false
  #again = false
  #timer: Timer | null = null

  constructor(parts: Parts) {
    this.#parts = parts
    const { clock, chance, label, channel, say, intervals, keeper, journal } = parts
    const notes = (this.notes = new Notes(say, clock))
    const peer = (this.peer = new PeerLink(channel, label, notes))
    const reign = (this.reign = new Reign(label, clock, chance, intervals.operationMs, message => keeper.send(message)))
    const sensors = (this.sensors = new Sensors(parts, peer, reign, error => notes.fault(error)))
    const work = (this.work = new DutyWork({ parts, sensors, peer, reign, notes, look: () => this.evaluate() }))
    const leader = (this.leader = new Leader(parts, {
      join: position =>
        work.append(
          { reason: 'join', goesOn: true, inSync: 'both', position: earlier(position, journal.flushed) },
          won => {
            if (won && reign.now) leader.listed(reign.now.record.seq)
          },
        ),
      failed: error => this.peerFailed(error),
    }))
    const question = (this.question = new PeerQuestion(parts, reign))
    const handover = (this.handover = new Handover(parts, {
      resume: decided =>
        work.append({ reason: 'resume', goesOn: true, inSync: 'both', position: journal.flushed }, decided),
      take: (offer, decided) =>
        work.append(
          { reason: 'hand over', goesOn: false, inSync: 'both', position: offer.position, after: offer.recordSeq },
          won => {
            // Its epoch is over: whatever its keeper does, its token need not be waited for.
            if (won) peer.goodbye = { epoch: offer.epoch, token: offer.token }
            if (won) sensors.keepCalm()
            decided(won)
          },
        ),
      ask: ({ epoch, seq }, done) => question.ask(epoch, seq, done),
      taken: epoch => this.#followNewEpoch(epoch),
      notTaken: () => channel.send({ name: 'GREETING', ...this.acts.greeting() }),
      again: () => {
        leader.stop()
        this.evaluate()
        // Its promise ended with its following: clients wait for the new one.
        channel.ping()
      },
      ended: error => this.#handoverEnded(error),
    }))
    const acts = (this.acts = new Acts({
      parts,
      sensors,
      peer,
      reign,
      leader,
      notes,
      becamePassive: () => handover.becamePassive(),
    }))
    this.departure = new Departure({
      parts,
      sensors,
      acts,
      peer,
      reign,
      leader,
      notes,
      question,
      switchover: done => this.switchover(done),
      ended: error => {
        this.#timer?.cancel()
        this.onEnd(error)
      },
    })
    this.lock = new LockSense({
      parts,
      sensors,
      notes,
      acts,
      wanted: () => work.wantsLock && !this.departure.left,
      keeperFrozen: silenceMs => this.departure.keeperFrozen(haError('KEEPER-FROZEN', { silenceMs })),
      look: () => this.evaluate(),
    })
    keeper.onMessage = message => this.#fromKeeper(message)
    keeper.onGone = () => this.departure.keeperGone()
    journal.onFailed = error => this.departure.journalFailed(error)
  }

  get role(): Role {
    return roleOf(this.#state)
  }

  get observation(): Observation {
    return this.#state.context.observation
  }

  /** The newest LockFile record that this server knows lists its store. */
  get listed(): boolean {
    const { record } = this.sensors.news
    return record !== null && lists(record, this.#parts.label, this.#parts.store.storeId)
  }

  // News from the world

  channelUp(): void {
    this.peer.up(this.acts.greeting())
  }

  channelDown(why: string): void {
    this.leader.stop()
    this.acts.stopFollowing()
    this.question.channelDown()
    this.handover.channelDown()
    this.peer.down(why)
    this.roundTripMs = null
    this.evaluate()
    if (isCutOff(this.role, this.peer.role, this.sensors.gatewayUp)) this.notes.fault(haError('CUT-OFF'), 'warn')
  }

  gateway(up: boolean): void {
    this.sensors.gatewayUp = up
    if (up) this.notes.note('gateway', 'info', 'The gateway answers')
    else this.notes.fault(haError(isCutOff(this.role, this.peer.role, up) ? 'CUT-OFF' : 'GATEWAY-LOST'), 'warn')
    this.evaluate()
  }

  frame(frame: Frame): void {
    const { receiver, channel, intervals } = this.#parts
    if (frame.name === 'GREETING') {
      if (!this.peer.greeted(frame, this.acts.greeting())) return
      this.#peerKnows()
      return this.evaluate()
    }
    if (!this.peer.greeting) return
    switch (frame.name) {
      case 'ROLE':
        this.peer.roleChanged(frame)
        this.#peerKnows()
        return this.evaluate()
      case 'PING': {
        const { lastPong } = channel
        if (lastPong && lastPong.following > 0) this.sensors.boundUntil = lastPong.sentAt + intervals.leaseMs
        this.peer.safe = { committed: frame.committed, at: this.#parts.clock.now() }
        return receiver.told(frame.committed)
      }
      case 'SYNC_BEGIN':
        // As PASSIVE after a handover or a short break; not while a record of ours may still begin a reign.
        if (this.reign.pending) return
        if (this.role === 'PASSIVE SYNC' || (this.role === 'PASSIVE' && this.peer.role === 'ACTIVE')) {
          this.acts.adopting = false // following ends it
          receiver.receive(frame)
        }
        return
      case 'RECORDS':
      case 'SNAPSHOT_CHUNK':
      case 'SNAPSHOT_END':
      case 'JOIN_PREPARE':
      case 'JOINED':
        receiver.receive(frame)
        return
      case 'SYNC_REFUSED':
        return frame.code === NOT_TAKEN ? this.handover.refused() : this.leader.receive(frame)
      case 'SYNC_READY':
      case 'SNAPSHOT_MORE':
      case 'CONFIRM':
      case 'JOIN_PREPARED':
        return this.leader.receive(frame)
      case 'COVER_ASK':
        return this.question.asked(frame, this.role)
      case 'COVER_ANSWER':
        this.question.answered(frame)
        return this.evaluate()
      case 'HANDOVER':
        if (this.role === 'PASSIVE') this.handover.offered(frame)
        return
      case 'TAKEN':
        return this.handover.takenBy(frame)
      case 'BYE':
        return this.peer.left(frame)
      case 'REFUSE':
      case 'HELLO':
      case 'PROOF':
      case 'PONG':
        return // the back channel's own
      default:
        never(frame)
    }
  }

  /** What either server has ever known of the LockFile counts for both: only so a share that went back is found out. */
  #peerKnows(): void {
    const { store, clock } = this.#parts
    const { greeting, state } = this.peer
    this.peer.stateAt = clock.now()
    if (greeting && state && store.pairId !== '' && greeting.pairId === store.pairId) store.knew(state.recordSeq)
  }

  /** A ping was answered: the peer's promise is fresh, held-back acknowledgements may go. */
  answered(): void {
    const { gate, grounds, channel, clock, wake } = this.#parts
    const { lastAnswered } = channel
    if (!lastAnswered) return
    this.roundTripMs = clock.now() - lastAnswered.sentAt
    grounds.promiseSentAt = lastAnswered.sentAt
    grounds.promiseSentWall = lastAnswered.sentWall
    grounds.promiseFollowing = lastAnswered.following
    gate.poke()
    wake()
    if (this.observation.promise === 'over') this.evaluate()
  }

  /** Everything up to here is safe. */
  committed(sequence: number): void {
    this.leader.committed(sequence)
    if (this.handover.draining) this.evaluate()
  }

  /** As follower: the active has listed us. */
  joined(recordSeq: number): void {
    if (this.role !== 'PASSIVE SYNC') return
    this.sensors.listedBy = recordSeq
    this.evaluate()
  }

  /** Following, or being followed, has failed: the channel is broken, and both begin anew. */
  peerFailed(error: Error): void {
    // For taking over nobody is there to begin anew with: the next start looks at the whole journal.
    if (this.acts.adopting) return this.departure.journalFailed(error)
    const coded = error instanceof CodedError ? error : haError('PEER-FAILED', { reason: error.message }, error)
    this.notes.fault(coded)
    this.#parts.channel.refuse(coded.code, coded.message)
  }

  #fromKeeper(message: FromKeeper): void {
    this.lock.watch.heard()
    // After the goodbye nothing begins anew, not even a reign that the register decides only now; the end is told.
    if (this.departure.left) return message.type === 'news' && !message.held ? this.lock.is(false) : undefined
    switch (message.type) {
      case 'alive':
        return
      case 'news':
        return this.#lockNews(message)
      case 'appended':
        this.reign.appended(message)
        return this.evaluate()
      case 'probed':
        return this.question.probed(message.fault)
      case 'stop':
        return this.departure.stop(() => {}, true)
      default:
        never(message)
    }
  }

  #lockNews(news: KeeperNews): void {
    if (this.lock.news(news) && !this.handover.isOffered) this.#checkReign()
    this.evaluate()
  }

  /** Ends this server's reign where a newer record of another has been seen. */
  #checkReign(): void {
    const { record } = this.sensors.news
    if (record && this.reign.superseded(record))
      this.notes.note('record', 'warn', `LockFile record ${record.seq} names another reign (${record.reason})`)
  }

  // The operator

  /** Hands over to the passive server. `done(null)` when this server is PASSIVE, else the coded reason why not. */
  switchover(done: (error: CodedError | null) => void): void {
    // One is under way: both are told how it ends.
    if (this.sensors.wish === 'hand over') return this.handover.tell(done)
    if (this.role !== 'ACTIVE' || this.peer.role !== 'PASSIVE')
      return done(haError('NOT-PASSIVE', { role: this.role, peer: this.peer.role }))
    this.notes.note('operator', 'info', 'A switchover was asked for')
    this.sensors.wish = 'hand over'
    this.handover.tell(done)
    this.evaluate()
  }

  /** Accepts the loss of what only the peer may have: this server may take over although it is not in sync. */
  forceActive(reason: string): CodedError | null {
    return forceActive(this, this.#parts, reason)
  }

  // Observation, machine, duties

  /** Looks at everything anew, lets the rules decide, performs what they ask for, works on the duties that remain. */
  evaluate(): void {
    if (this.departure.left) return
    if (this.#busy) {
      this.#again = true
      return
    }
    this.#busy = true
    try {
      do {
        this.#again = false
        this.#look()
      } while (this.#again)
    } finally {
      this.#busy = false
    }
    this.departure.look()
    this.#schedule()
  }

  #look(): void {
    const observed = this.sensors.observe()
    this.lock.is(observed.lock === 'held')
    const news = difference(this.#state, observed)
    if (news) {
      const { state, effects } = step(this.#state, news)
      this.#state = state
      for (const effect of effects) this.acts.perform(effect)
      this.#again ||= effects.length > 0
    }
    this.work.strive(dutiesOf(this.role, this.observation), this.role, this.observation, this)
  }

  #schedule(): void {
    const { clock } = this.#parts
    this.#timer?.cancel()
    const next = this.sensors.nextChange()
    this.#timer = next < Infinity ? clock.after(Math.max(0, next - clock.now()) + 0.1, () => this.evaluate()) : null
  }

  // Handover

  #followNewEpoch(epoch: number): void {
    this.leader.stop()
    this.acts.endReign()
    this.#parts.store.knew(epoch)
    if (this.peer.state) this.peer.roleChanged({ ...this.peer.state, role: 'ACTIVE', previous: 'PASSIVE', epoch })
    this.evaluate()
  }

  #handoverEnded(error: CodedError | null): void {
    this.sensors.wish = 'none'
    if (this.departure.left) return
    if (error !== null) {
      this.sensors.keepCalm()
      this.notes.fault(error, 'warn')
      this.#checkReign()
      if (SERVING.has(this.role) && this.reign.now) this.#parts.service.open()
    }
    this.evaluate()
  }
}

/** What both have durably: the peer's disk may have been quicker than ours. */
const earlier = (a: Position, b: Position): Position => (comparePositions(a, b) < 0 ? a : b)
