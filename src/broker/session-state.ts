// Sessions that outlive their connections, as records tell of them: the same on the active server and on its follower.
// Who is connected now, and what is on its way, is sessions.ts and session-link.ts.

import type { Queue } from './queue.ts'
import type { SessionWill } from './session-api.ts'

/** A session ends so long after its connection; Infinity is written as this. */
export const NEVER = 2 ** 47

export class SessionState {
  /** Sequence of the record that began it. */
  readonly id: number
  readonly clientId: string
  /** Whose it is; '': that of whoever comes next (a session of an earlier version). */
  user: string
  /** Null where nothing but its will is kept. */
  readonly queue: Queue | null
  keepMs: number
  will: SessionWill | null
  /** Wall ms when its connection was lost; 0: it is connected. */
  awaySince = 0
  /** The first record that said so since it was connected; 0 where that is not known. */
  #awayBy = 0
  /** Inbound QoS 2: packet identifiers that were used and not released. */
  readonly held = new Set<number>()
  /** Outbound QoS 2: messages, by their sequence, that the client has and whose packet identifier it has not let go. */
  readonly received = new Set<number>()

  constructor(
    id: number,
    clientId: string,
    user: string,
    queue: Queue | null,
    keepMs: number,
    will: SessionWill | null,
  ) {
    this.id = id
    this.clientId = clientId
    this.user = user
    this.queue = queue
    this.keepMs = keepMs
    this.will = will
  }

  left(sequence: number, since: number): void {
    this.awaySince = since
    if (this.#awayBy === 0) this.#awayBy = sequence
  }

  came(): void {
    this.awaySince = 0
    this.#awayBy = 0
  }

  /**
   * What came later than this its client cannot have been told of: nobody is told anything before the record of his coming
   * back is safe on both servers. `restoredThrough`: up to where a snapshot stands for records.
   */
  unsentAfter(restoredThrough: number): number {
    if (this.awaySince === 0) return Infinity
    return this.#awayBy === 0 ? restoredThrough : this.#awayBy
  }
}

export class SessionStates {
  readonly #byId = new Map<number, SessionState>()
  readonly #byClient = new Map<string, SessionState>()

  get count(): number {
    return this.#byId.size
  }

  all(): Iterable<SessionState> {
    return this.#byId.values()
  }

  byId(id: number): SessionState | null {
    return this.#byId.get(id) ?? null
  }

  of(clientId: string): SessionState | null {
    return this.#byClient.get(clientId) ?? null
  }

  add(session: SessionState): void {
    this.#byId.set(session.id, session)
    this.#byClient.set(session.clientId, session)
  }

  remove(session: SessionState): void {
    this.#byId.delete(session.id)
    if (this.#byClient.get(session.clientId) === session) this.#byClient.delete(session.clientId)
  }
}

/** Known to both servers, because it follows from the record that brought the message. */
export const packetIdOf = (sequence: number): number => (sequence % 65_535) + 1
