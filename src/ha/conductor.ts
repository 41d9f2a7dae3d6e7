// One server's will: keeps the observation true, steps the machine, performs its effects in order, and works towards the
// duties of its role. It decides nothing itself: about roles decide src/states/rules.ts, about duties src/states/duties.ts,
// about what is safe to acknowledge src/replication/commit-rule.ts. It runs the same in production and in simulation.

import { assert, never } from '../base/assert.ts'
import { CodedError } from '../base/errors.ts'
import type { Timer } from '../base/ports.ts'
import { RecordKind } from '../journal/commit.ts'
import { ORIGIN, showPosition } from '../journal/position.ts'
import type { Frame, RoleState } from '../replication/frames.ts'
import { dutiesOf, type Duties } from '../states/duties.ts'
import type { Effect } from '../states/effects.ts'
import { difference, initialState, roleOf, step, type MachineState } from '../states/machine.ts'
import type { Observation } from '../states/observation.ts'
import { SERVING, type Role } from '../states/roles.ts'
import { haError } from './errors.ts'
import { EventRing, type HaEvent } from './events.ts'
import { Handover } from './handover.ts'
import { leaseHeld, precedence, quiet, recordWord, relationTo, type Promise, type Relation, type Self } from './judge.ts'
import type { FromKeeper, KeeperNews } from './keeper-link.ts'
import { Leader } from './leader.ts'
import { PeerLink } from './peer-link.ts'
import type { Greeting, Parts } from './parts.ts'
import type { RecordReason } from './record.ts'
import { Reign } from './reign.ts'

const NO_NEWS: KeeperNews = {
  type: 'news',
  held: false,
  deadline: -1,
  renewedAt: 0,
  renewedWall: 0,
  record: null,
  recordKnown: false,
  releasedEpoch: 0,
  foreignToken: '',
  foreignSince: 0,
  token: '',
  fault: null,
}

export class Conductor {
  readonly events: EventRing
  readonly peer: PeerLink
  readonly reign: Reign
  readonly leader: Leader
  readonly handover: Handover
  news: KeeperNews = NO_NEWS
  /** Called once when the server must end: after a goodbye (null) or because of a fault. */
  onEnd: (error: CodedError | null) => void = () => {}
  readonly #parts: Parts
  readonly #startedAt: number
  #state: MachineState = initialState()
  #previous: Role = 'WAITING'
  #gatewayUp = false
  /** As follower: the active server has listed us in this record. */
  #listedBy = 0
  /** The epoch in which the peer took over from us. */
  #takenEpoch = 0
  /** Until then (monotonic) our newest answer to an acting peer binds us; also after the channel is gone. */
  #boundUntil = -Infinity
  #wish: Observation['wish'] = 'none'
  #forced = ''
  #relation: Relation = 'unknown'
  #relationSince = 0
  /** The newest record already judged against the position in it, and the answer. */
  #fault = ''
  #wanted = ''
  #stopping: (() => void) | null = null
  #left = false
  #adopting = false
  #busy = false
  #again = false
  #timer: Timer | null = null

  constructor(parts: Parts) {
    this.#parts = parts
    const { clock, chance, label, channel, say, intervals, keeper } = parts
    this.#startedAt = clock.now()
    this.events = new EventRing(256)
    this.peer = new PeerLink(channel, label, say, this.events, () => clock.wall())
    this.reign = new Reign(label, clock, chance, intervals.operationMs, message => keeper.send(message))
    this.leader = new Leader(parts, {
      join: position =>
        this.#append('join', this.reign.now?.epoch ?? 0, true, position, won => {
          if (won && this.reign.now) this.leader.listed(this.reign.now.record.seq)
        }),
      failed: error => this.peerFailed(error),
    })
    this.handover = new Handover(parts, {
      resume: decided =>
        this.#append('resume', this.reign.now?.epoch ?? 0, true, parts.journal.flushed, decided) || decided(false),
      take: (seq, position, decided) =>
        this.#append('hand over', 0, true, position, decided, seq) || decided(false),
      taken: epoch => this.#followNewEpoch(epoch),
      ended: ok => this.#handoverEnded(ok),
    })
    keeper.onMessage = message => this.#fromKeeper(message)
    keeper.onGone = () => this.#keeperGone()
    parts.journal.onFailed = error => this.#fail(haError('JOURNAL-FAILED', { reason: error.message }, error))
  }

  get role(): Role {
    return roleOf(this.#state)
  }

  get previous(): Role {
    return this.#previous
  }

  get observation(): Observation {
    return this.#state.context.observation
  }

  get duties(): Duties {
    return dutiesOf(this.role, this.observation)
  }

  get relation(): Relation {
    return this.#relation
  }

  /** Serving, but one more loss away from an outage: without the lock or without the gateway. */
  get unprotected(): boolean {
    return SERVING.has(this.role) && (this.observation.lock === 'none' || !this.#gatewayUp)
  }

  // ---- news from the world

  channelUp(): void {
    this.peer.up(this.#greeting())
  }

  channelDown(why: string): void {
    this.leader.stop()
    this.#stopFollowing()
    this.handover.channelDown()
    this.peer.down(why)
    this.evaluate()
  }

  gateway(up: boolean): void {
    if (this.#gatewayUp === up) return
    this.#gatewayUp = up
    if (up) this.#note('gateway', 'info', 'The gateway answers')
    else {
      const error = haError(this.peer.role === 'DEAD' ? 'CUT-OFF' : 'GATEWAY-LOST')
      this.#note('gateway', 'warn', error.line(), error.code)
    }
    this.evaluate()
  }

  frame(frame: Frame): void {
    const { receiver } = this.#parts
    if (frame.name === 'GREETING') {
      const { name: _, ...theirs } = frame
      if (this.peer.greeted(theirs, this.#greeting())) this.evaluate()
      return
    }
    if (!this.peer.greeting) return
    switch (frame.name) {
      case 'ROLE':
        this.peer.roleChanged(frame)
        this.evaluate()
        return
      case 'SYNC_BEGIN':
        if (this.role !== 'PASSIVE SYNC' && !(this.role === 'PASSIVE' && frame.epoch === this.#takenEpoch)) return
        receiver.receive(frame)
        return
      case 'RECORDS':
      case 'SNAPSHOT_CHUNK':
      case 'SNAPSHOT_END':
      case 'JOIN_PREPARE':
      case 'JOINED':
        receiver.receive(frame)
        return
      case 'PING': {
        const { lastPong } = this.#parts.channel
        if (lastPong && lastPong.following > 0) this.#boundUntil = lastPong.sentAt + this.#parts.intervals.leaseMs
        return receiver.told(frame.committed)
      }
      case 'SYNC_READY':
      case 'SYNC_REFUSED':
      case 'SNAPSHOT_MORE':
      case 'CONFIRM':
      case 'JOIN_PREPARED':
        if (frame.name === 'SYNC_REFUSED') this.handover.refused()
        return this.leader.receive(frame)
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

  /** A ping was answered: the peer's promise is fresh, held-back acknowledgements may go. */
  answered(): void {
    const { gate, grounds, channel } = this.#parts
    const { lastAnswered } = channel
    if (!lastAnswered) return
    grounds.promiseSentAt = lastAnswered.sentAt
    grounds.promiseSentWall = lastAnswered.sentWall
    grounds.promiseFollowing = lastAnswered.following
    gate.poke()
    if (this.observation.promise === 'over') this.evaluate()
  }

  #fromKeeper(message: FromKeeper): void {
    switch (message.type) {
      case 'news':
        return this.#lockNews(message)
      case 'appended':
        this.reign.appended(message)
        return this.evaluate()
      case 'stop':
        return this.stop(() => {})
      default:
        never(message)
    }
  }

  #lockNews(news: KeeperNews): void {
    const before = this.news
    this.news = news
    const { store, gate, grounds, lockFile } = this.#parts
    grounds.leaseDeadline = news.held ? news.deadline : -1
    grounds.leaseRenewedAt = news.renewedAt
    grounds.leaseRenewedWall = news.renewedWall
    gate.poke()
    if (before.held !== news.held) {
      const wanted = this.#wanted.startsWith('true')
      const text = news.held
        ? `Successfully acquired lock on:${lockFile}`
        : wanted
          ? `Lost lock on:${lockFile}`
          : `Released lock on:${lockFile}`
      this.#note('lock', !news.held && wanted ? 'warn' : 'info', text)
    }
    const fault = news.fault?.code ?? ''
    if (fault !== this.#fault) {
      this.#fault = fault
      if (news.fault) this.#note('fault', 'error', news.fault.line, fault)
      else this.#note('lock', 'info', `The share of the LockFile answers again: ${lockFile}`)
    }
    if (news.record && news.record.seq !== before.record?.seq) {
      if (store.pairId === '' && news.record.inSync.some(m => m.store === store.storeId)) store.belongTo(news.record.pairId)
      if (store.pairId === news.record.pairId) store.knew(news.record.seq)
      if (this.reign.superseded(news.record))
        this.#note('record', 'warn', `LockFile record ${news.record.seq} names another reign (${news.record.reason})`)
    }
    this.evaluate()
  }

  // ---- the operator

  /** Hands over to the passive server. `done(null)` when this server is PASSIVE, else the coded reason why not. */
  switchover(done: (error: CodedError | null) => void): void {
    if (this.role !== 'ACTIVE' || this.peer.role !== 'PASSIVE' || this.#wish !== 'none')
      return done(haError('NOT-PASSIVE', { role: this.role, peer: this.peer.role }))
    this.#note('operator', 'info', 'A switchover was asked for')
    this.#wish = 'hand over'
    this.handover.onDone = done
    this.evaluate()
  }

  /** Leaves for good: hands over first where a passive server is there. `done` before `onEnd`. */
  stop(done: () => void): void {
    const more = this.#stopping
    this.#stopping = () => {
      more?.()
      done()
    }
    if (more || this.#left) return
    this.#note('operator', 'info', 'A graceful stop was asked for')
    if (this.role === 'ACTIVE' && this.peer.role === 'PASSIVE')
      return this.switchover(error => {
        if (error) return this.#leave('stopped by the operator')
        // The peer's lock is worth a moment: with it, our leaving does not interrupt its service.
        this.#parts.clock.after(this.#parts.intervals.operationMs, () => this.#leave('stopped by the operator'))
        this.evaluate()
      })
    this.#leave('stopped by the operator')
  }

  /** Accepts the loss of what only the peer may have: this server may take over although it is not in sync. */
  forceActive(reason: string): CodedError | null {
    if (this.role !== 'WAITING') return haError('NOT-FORCIBLE', { role: this.role })
    this.#note('operator', 'warn', `force-active: the loss of what only the peer may hold is accepted: ${reason}`)
    this.#forced = reason
    this.evaluate()
    return null
  }

  // ---- observation, machine, effects, duties

  /** Looks at everything anew, lets the rules decide, performs what they ask for. */
  evaluate(): void {
    if (this.#left) return
    if (this.#busy) {
      this.#again = true
      return
    }
    this.#busy = true
    do {
      this.#again = false
      const news = difference(this.#state, this.#observe())
      if (news) {
        const { state, effects } = step(this.#state, news)
        this.#previous = effects.length > 0 ? roleOf(this.#state) : this.#previous
        this.#state = state
        for (const effect of effects) this.#perform(effect)
      }
      this.#strive(this.duties)
    } while (this.#again)
    this.#busy = false
    this.#schedule()
  }

  #self(): Self {
    const { label, store, journal } = this.#parts
    return {
      label,
      storeId: store.storeId,
      pairId: store.pairId,
      known: store.mk,
      whole: !store.dirty,
      position: journal.flushed,
    }
  }

  #promise(): Promise {
    return {
      until: Math.max(this.#startedAt + this.#parts.intervals.leaseMs, this.#boundUntil),
      releasedEpoch: Math.max(this.news.releasedEpoch, this.peer.goodbye?.epoch ?? 0),
    }
  }

  /** Until when the peer's promise covers us as active server, on the monotonic clock. */
  #promisedUntil(): number {
    const { channel, intervals } = this.#parts
    const answered = channel.lastAnswered
    if (!answered || !this.reign.now || answered.following !== this.reign.now.epoch) return -Infinity
    return answered.sentAt + intervals.leaseMs - intervals.marginMs
  }

  #observe(): Observation {
    const { clock, intervals, label } = this.#parts
    const now = clock.now()
    const self = this.#self()
    const relation = this.reign.now || this.role === 'ACTIVE' ? this.#reigningRelation() : relationTo(this.news, self)
    this.#judged(relation, now)
    const forced = this.#forced !== ''
    return {
      peer: this.peer.role,
      lock: leaseHeld(this.news, now, clock.wall(), intervals.marginMs) ? 'held' : 'none',
      reign: this.reign.word,
      record: forced ? 'self' : recordWord(relation),
      copy: self.whole || forced ? 'whole' : 'partial',
      sync: this.#listedBy > 0 ? 'done' : 'none',
      promise: now < this.#promisedUntil() ? 'fresh' : 'over',
      quiet: quiet(now, this.#promise(), this.news.record, label) ? 'yes' : 'no',
      gateway: this.#gatewayUp ? 'up' : 'down',
      precedence: forced ? 'self' : precedence(self, relation, this.peer.state),
      grace: forced || now >= this.#startedAt + intervals.graceMs ? 'over' : 'running',
      wish: this.#wish,
    }
  }

  #reigningRelation(): Relation {
    return this.reign.now && this.reign.now.record.inSync.length > 1 ? 'both' : 'self'
  }

  /** Tells the operator when the register says something that keeps this server from serving. */
  #judged(relation: Relation, now: number): void {
    if (relation !== this.#relation) {
      this.#relation = relation
      this.#relationSince = now
      if (relation === 'foreign')
        this.#say(haError('FOREIGN-LOCKFILE', { lockFile: this.#parts.lockFile, theirs: this.news.record?.pairId, ours: this.#parts.store.pairId }))
      if (relation === 'short')
        this.#say(haError('STORE-SHORT', { listed: showPosition(this.news.record?.position ?? ORIGIN), have: showPosition(this.#parts.journal.flushed) }))
      return
    }
    // A look may lag behind what the peer told us; only one that stays behind is a fault.
    if (relation === 'behind' && this.#relationSince > 0 && now - this.#relationSince > this.#parts.intervals.leaseMs) {
      this.#relationSince = 0
      this.#say(haError('REGISTER-BEHIND', { lockFile: this.#parts.lockFile, seen: this.news.record?.seq ?? 0, known: this.#parts.store.mk }))
    }
  }

  #perform(effect: Effect): void {
    const { gate, service, receiver, channel } = this.#parts
    switch (effect.type) {
      case 'announce': {
        const label = this.#parts.label === 'primary' ? 'Primary' : 'Secondary'
        const epoch = this.reign.now?.epoch ?? receiver.following
        this.#previous = effect.previous
        this.#note('role', 'info', `${label} Server switched to ${effect.role} (from ${effect.previous}, epoch ${epoch}): ${effect.because} [${effect.rule}]`, effect.rule)
        if (this.peer.greeting) {
          // A server that is about to follow tells all that the active needs to bring it up to date.
          if (effect.role === 'PASSIVE SYNC') channel.send({ name: 'GREETING', ...this.#greeting(effect.role, effect.previous) })
          else channel.send({ name: 'ROLE', ...this.#roleState(effect.role, effect.previous) })
        }
        if (effect.role === 'PASSIVE') this.handover.becamePassive()
        return
      }
      case 'serve':
        return service.open()
      case 'retire':
        gate.setMode('frozen')
        this.leader.stop()
        return service.close('this server does not serve any more')
      case 'forget':
        this.#endReign()
        this.leader.stop()
        this.#stopFollowing()
        this.#wish = 'none'
        return
      case 'commit alone':
        this.#beginReign()
        return gate.setMode('alone')
      case 'commit together': {
        const begins = this.#beginReign()
        gate.setMode('both')
        if (begins) this.#takeOffer()
        return
      }
      case 'follow':
        return gate.setMode('frozen')
      default:
        never(effect)
    }
  }

  /** The first act of a reign: what is durable here counts, and the reign's first record is made. */
  #beginReign(): boolean {
    const { journal, receiver, gate, grounds, store, label, keeper } = this.#parts
    const { now } = this.reign
    assert(now, 'a serving role has a reign')
    if (grounds.epoch === now.epoch) return false
    assert(receiver.applied === journal.last.sequence, 'a reign begins with the state folded up to the last record')
    gate.beginReign(now.epoch, journal.last.sequence)
    journal.beginEpoch(now.epoch)
    this.#forced = ''
    this.#takenEpoch = 0
    keeper.send({ type: 'reign', epoch: now.epoch })
    gate.append(RecordKind.EPOCH, Buffer.from(JSON.stringify({ holder: label, store: store.storeId })), new Uint8Array())
    return true
  }

  /** A handover is taken: the former active is told, and follows from where it froze. */
  #takeOffer(): void {
    const { channel } = this.#parts
    const { now } = this.reign
    assert(now, 'a taken offer is a reign')
    channel.send({ name: 'TAKEN', epoch: now.epoch, position: now.record.position })
    this.leader.goOn(now, now.record.position.sequence)
    channel.ping()
  }

  #stopFollowing(): void {
    this.#parts.receiver.stop()
    this.#listedBy = 0
    this.#adopting = false
  }

  #endReign(): void {
    const { gate, grounds, receiver } = this.#parts
    this.reign.drop()
    if (grounds.epoch > 0) receiver.afterReign(gate.endReign())
  }

  #strive(duties: Duties): void {
    const { keeper, journal } = this.#parts
    const { role } = this
    const lock = duties.lock !== null && !this.handover.releasing
    const hot = (lock && !this.news.held) || (role === 'PASSIVE' && this.observation.peer === 'DEAD')
    const freedToken = this.peer.goodbye?.token ?? ''
    const wanted = `${lock} ${freedToken} ${hot}`
    if (wanted !== this.#wanted) {
      this.#wanted = wanted
      keeper.send({ type: 'want', lock, freedToken, hot })
    }
    if (duties['take over']) this.#takeOver()
    if (duties['go solo']) this.#append('go solo', this.reign.now?.epoch ?? 0, false, journal.flushed, () => {})
    if (duties['bring up'] && this.peer.greeting && this.reign.now) this.leader.begin(this.reign.now, this.peer.greeting)
    if (duties['hand over'] && this.reign.now) this.handover.work(this.reign.now.record, this.news.token)
    else if (this.#wish === 'hand over' && role !== 'ACTIVE' && role !== 'PASSIVE') this.#wish = 'none'
  }

  #takeOver(): void {
    const { journal, receiver, store } = this.#parts
    const forced = this.#forced !== ''
    if (forced) store.setDirty(false)
    if (this.reign.pending || this.#adopting) return
    if (receiver.applied !== journal.last.sequence || journal.flushed.sequence < journal.last.sequence) {
      // Everything durable here counts from now on; the record waits until the state has it all.
      this.#adopting = true
      receiver.adoptAll(() => {
        this.#adopting = false
        this.evaluate()
      })
      return
    }
    const reason: RecordReason = forced ? 'force active' : this.news.record ? 'take over' : 'found'
    this.#append(reason, 0, false, journal.flushed, () => {})
  }

  #append(reason: RecordReason, epoch: number, both: boolean, position = ORIGIN, decided: (won: boolean) => void, after?: number): boolean {
    const { store, label, chance } = this.#parts
    const seq = Math.max(after ?? 0, this.news.record?.seq ?? 0, this.reign.now?.record.seq ?? 0, this.#forced ? store.mk : 0) + 1
    const me = { server: label, store: store.storeId }
    const other = { server: label === 'primary' ? 'secondary' : 'primary', store: this.peer.greeting?.storeId ?? '' } as const
    const pairId = store.pairId || this.news.record?.pairId || chance.id()
    return this.reign.append(
      { pairId, seq, epoch, inSync: both ? [me, other] : [me], reason, note: this.#forced, position },
      won => {
        if (won) {
          if (store.pairId === '') store.belongTo(pairId)
          store.knew(seq)
          this.#note('record', 'info', `LockFile record ${seq}: ${reason}, in sync: ${both ? 'both' : `the ${label} alone`}`)
        } else this.#note('record', 'info', `LockFile record ${seq} is another server's`)
        decided(won)
        this.evaluate()
      },
    )
  }

  #schedule(): void {
    this.#timer?.cancel()
    this.#timer = null
    const { clock, intervals } = this.#parts
    const now = clock.now()
    const times = [
      this.news.held ? this.news.deadline : -1,
      this.#promisedUntil(),
      this.#promise().until,
      this.#startedAt + intervals.graceMs,
      this.#relation === 'behind' && this.#relationSince > 0 ? this.#relationSince + intervals.leaseMs + 1 : -1,
    ].filter(time => time > now && time < Infinity)
    if (times.length > 0) this.#timer = clock.after(Math.min(...times) - now + 0.1, () => this.evaluate())
  }
  // ---- ends

  #followNewEpoch(epoch: number): void {
    const { store } = this.#parts
    this.leader.stop()
    this.#endReign()
    store.knew(epoch)
    this.#takenEpoch = epoch
    if (this.peer.state) this.peer.roleChanged({ ...this.peer.state, role: 'ACTIVE', previous: 'PASSIVE', epoch })
    this.evaluate()
  }

  #handoverEnded(ok: boolean): void {
    this.#wish = 'none'
    if (!ok) {
      this.#note('operator', 'warn', 'The handover did not come about')
      if (SERVING.has(this.role)) this.#parts.service.open()
    }
    this.evaluate()
  }

  /** Following, or being followed, has failed: the channel is broken, and both begin anew. */
  peerFailed(error: Error): void {
    const coded = error instanceof CodedError ? error : haError('PEER-FAILED', { reason: error.message }, error)
    this.#say(coded)
    this.#parts.channel.refuse(coded.code, coded.message)
  }

  /** As follower: the active has listed us. */
  joined(recordSeq: number): void {
    if (this.role !== 'PASSIVE SYNC') return
    this.#listedBy = recordSeq
    this.evaluate()
  }

  /** Everything up to here is safe. */
  committed(sequence: number): void {
    this.leader.committed(sequence)
    if (this.handover.draining) this.evaluate()
  }

  #keeperGone(): void {
    if (this.#left) return
    this.news = { ...this.news, fault: { code: 'LOCK-KEEPER-GONE', line: 'The keeper process is gone.' } }
    this.stop(() => {})
  }

  #leave(reason: string): void {
    if (this.#left) return
    const { gate, service, channel, keeper, journal, receiver } = this.#parts
    gate.setMode('frozen')
    if (SERVING.has(this.role)) service.close(reason)
    const epoch = Math.max(this.news.record?.epoch ?? 0, this.reign.now?.epoch ?? 0, receiver.following)
    this.leader.stop()
    receiver.stop()
    channel.send({ name: 'BYE', epoch, token: this.news.token, reason })
    this.#left = true
    this.#timer?.cancel()
    keeper.send({ type: 'leaving' })
    journal.close(() => {
      this.#stopping?.()
      channel.close()
      this.onEnd(null)
    })
  }

  #fail(error: CodedError): void {
    this.#parts.gate.setMode('frozen')
    this.#say(error)
    this.#left = true
    this.onEnd(error)
  }

  #greeting(role = this.role, previous = this.#previous): Greeting {
    const { store, kind, intervals, lockFile, journal } = this.#parts
    return {
      pairId: store.pairId,
      storeId: store.storeId,
      kind,
      leaseMs: intervals.leaseMs,
      pingMs: intervals.pingMs,
      lockFile,
      epochs: [...journal.epochs],
      start: journal.start,
      state: this.#roleState(role, previous),
    }
  }

  #roleState(role: Role, previous: Role): RoleState {
    const { store, journal, receiver } = this.#parts
    return {
      role,
      previous,
      epoch: this.reign.now?.epoch ?? receiver.following,
      lock: this.observation.lock === 'held',
      recordSeq: store.mk,
      whole: !store.dirty,
      position: journal.flushed,
    }
  }

  #say(error: CodedError): void {
    this.#note('fault', 'error', error.line(), error.code)
  }

  #note(kind: HaEvent['kind'], level: 'info' | 'warn' | 'error', text: string, code = ''): void {
    this.#parts.say(level, text, code ? { code } : {})
    this.events.add({ wallMs: this.#parts.clock.wall(), kind, text, code })
  }
}
