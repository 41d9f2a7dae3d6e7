// What this server knows of its peer: greetings, roles, goodbyes. It refuses a peer that cannot be the other half of this
// pair. Bytes, authentication and pings are the back channel's business.

import type { CodedError } from '../base/errors.ts'
import type { BackChannel } from '../replication/back-channel.ts'
import type { FrameFields, RoleState, ServerLabel } from '../replication/frames.ts'
import type { PeerRole } from '../states/roles.ts'
import { haError } from './errors.ts'
import type { Notes } from './notes.ts'
import type { Greeting } from './parts.ts'

export interface Goodbye {
  readonly epoch: number
  readonly token: string
}

export class PeerLink {
  /** The peer's greeting on the channel that is up now. */
  greeting: Greeting | null = null
  /** The peer's newest word about itself on the channel that is up now. */
  state: RoleState | null = null
  /** What the peer said when it left for good, until it comes back. */
  goodbye: Goodbye | null = null
  /** When `state` was said (monotonic), and when and up to where it last said that everything is safe. */
  stateAt = 0
  safe: { readonly committed: number; readonly at: number } | null = null
  /** Whether it was there at all since this server started: one that never came is not one that was lost. */
  seen = false
  #said: PeerRole | 'none' = 'none'
  readonly #channel: BackChannel
  readonly #label: ServerLabel
  readonly #notes: Notes

  constructor(channel: BackChannel, label: ServerLabel, notes: Notes) {
    this.#channel = channel
    this.#label = label
    this.#notes = notes
  }

  get role(): PeerRole {
    return this.state?.role ?? 'DEAD'
  }

  /** Where the peer was when it last spoke of it: with a ping, as one that serves, or at a change of its role. */
  where(following: number, now: number): { epoch: number; sequence: number; ageMs: number } | null {
    const { state, stateAt, safe } = this
    if (state === null) return null
    const { epoch, sequence } = state.position
    const ageMs = (at: number) => Math.round(now - at)
    if (safe === null || safe.committed < sequence) return { epoch, sequence, ageMs: ageMs(stateAt) }
    return { epoch: following || epoch, sequence: safe.committed, ageMs: ageMs(Math.max(safe.at, stateAt)) }
  }

  up(ours: Greeting): void {
    this.greeting = null
    this.state = null
    this.#channel.send({ name: 'GREETING', ...ours })
  }

  down(why: string): void {
    this.greeting = null
    this.state = null
    this.safe = null
    this.#tell(why)
  }

  /** Takes the peer's greeting; false where it is refused (the channel is broken then, with the reason on both consoles). */
  greeted(theirs: Greeting, ours: Greeting): boolean {
    const error = unfit(theirs, ours)
    if (error) {
      this.#notes.fault(error)
      this.#channel.refuse(error.code, error.message)
      return false
    }
    this.greeting = theirs
    this.state = theirs.state
    this.goodbye = null
    this.seen = true
    this.#tell('')
    return true
  }

  roleChanged(state: RoleState): void {
    if (!this.greeting) return
    this.state = state
    this.#tell('')
  }

  left(bye: FrameFields['BYE']): void {
    this.goodbye = { epoch: bye.epoch, token: bye.token }
    this.#notes.note('peer', 'info', `The peer says goodbye: ${bye.reason}`)
  }

  #tell(why: string): void {
    const { role } = this
    if (role === this.#said || (role === 'DEAD' && this.#said === 'none')) return
    const before = this.#said === 'none' ? '' : ` (from ${this.#said})`
    const other = this.#label === 'primary' ? 'secondary' : 'primary'
    this.#said = role
    const text = `Backup Server switched to ${role}${before}: the ${other}${why ? `, ${why}` : ''}`
    this.#notes.note('peer', 'info', text)
  }
}

/** Why these two cannot be one pair, or null. */
function unfit(theirs: Greeting, ours: Greeting): CodedError | null {
  if (theirs.kind !== ours.kind) return haError('KIND-DIFFERS', { theirs: theirs.kind, ours: ours.kind })
  if (theirs.storeId === ours.storeId) return haError('SAME-STORE', { store: theirs.storeId })
  if (theirs.pairId !== '' && ours.pairId !== '' && theirs.pairId !== ours.pairId)
    return haError('FOREIGN-PAIR', { theirs: theirs.pairId, ours: ours.pairId })
  if (theirs.leaseMs !== ours.leaseMs)
    return haError('INTERVALS-DIFFER', {
      key: 'passiveLockAcquisitionInterval',
      theirs: theirs.leaseMs,
      ours: ours.leaseMs,
    })
  if (theirs.pingMs !== ours.pingMs)
    return haError('INTERVALS-DIFFER', { key: 'pingInterval', theirs: theirs.pingMs, ours: ours.pingMs })
  return null
}
