// What goes between a broker and its keeper, the parent process that alone touches the share. In production it is a pipe
// of JSON messages; in the simulation a queue. Times are ms of the host's monotonic clock, which both processes read.

import type { RegisterRecord } from './record.ts'

/** The keeper's view of share, lease and register, sent at every change and at every renewal. */
export interface KeeperNews {
  readonly type: 'news'
  /** True from a successful acquisition until the lease is given up or found lost. Whether it is valid NOW: `deadline`. */
  readonly held: boolean
  /** Until then (monotonic ms) nobody else can hold the lock; -1 while not held. */
  readonly deadline: number
  /** Monotonic and wall clock at the start of the last successful renewal: their difference shows a suspended machine. */
  readonly renewedAt: number
  readonly renewedWall: number
  /** The newest record; null with `recordKnown` where the register is empty, null without where it was never read. */
  readonly record: RegisterRecord | null
  readonly recordKnown: boolean
  /** Highest epoch for which a mark says that its holder has stopped acting (0: none). */
  readonly releasedEpoch: number
  /** Another server's token that is there now ('' for none), and since when it has not changed. */
  readonly foreignToken: string
  readonly foreignSince: number
  /** Name of our own token ('' for none): told to the peer in BYE and HANDOVER. */
  readonly token: string
  /** null while the share answers; else the coded error. */
  readonly fault: { readonly code: string; readonly line: string } | null
}

/** True where nobody who knows the one learns anything from the other. A record is known by number and id: it is immutable. */
export const sameNews = (a: KeeperNews, b: KeeperNews): boolean =>
  a.held === b.held &&
  a.deadline === b.deadline &&
  a.renewedAt === b.renewedAt &&
  a.renewedWall === b.renewedWall &&
  a.record?.seq === b.record?.seq &&
  a.record?.id === b.record?.id &&
  a.recordKnown === b.recordKnown &&
  a.releasedEpoch === b.releasedEpoch &&
  a.foreignToken === b.foreignToken &&
  a.foreignSince === b.foreignSince &&
  a.token === b.token &&
  a.fault?.code === b.fault?.code &&
  a.fault?.line === b.fault?.line

export interface KeeperAppended {
  readonly type: 'appended'
  readonly request: number
  /** won: the record is there, durably. lost: another record has that number. unknown: no answer in time, ask again. */
  readonly outcome: 'won' | 'lost' | 'unknown'
}

export type FromKeeper =
  | KeeperNews
  | KeeperAppended
  /** The answer to each `alive`: the keeper's event loop is alive too. */
  | { readonly type: 'alive' }
  /** The answer to `probe`: null where the record could be appended just now, else what would keep it from that. */
  | { readonly type: 'probed'; readonly fault: string | null }
  /** A graceful stop is wanted (Ctrl-C, SIGTERM). */
  | { readonly type: 'stop' }

export type ToKeeper =
  /** The broker's event loop is alive. */
  | { readonly type: 'alive' }
  /**
   * Whether to hold the lock. `freedToken`: the peer said goodbye naming this token, so it may be taken over without
   * waiting for its silence. `hot`: look often, a take-over is near.
   */
  | { readonly type: 'want'; readonly lock: boolean; readonly freedToken: string; readonly hot: boolean }
  /**
   * Append `record`, whose seq must be the next. Asking again with the same record id after `unknown` finds out.
   */
  | { readonly type: 'append'; readonly request: number; readonly record: RegisterRecord }
  /** Could a record be appended after number `after` now? The newest question is answered. */
  | { readonly type: 'probe'; readonly after: number }
  /** This reign: if the broker dies, leave the mark for this epoch once it is reaped. 0: none. */
  | { readonly type: 'reign'; readonly epoch: number }
  /** The broker has stopped acting for good and is about to exit: release at once, leave the mark. */
  | { readonly type: 'leaving' }

/** The broker's end of the link. */
export interface KeeperLink {
  send(message: ToKeeper): void
  onMessage: (message: FromKeeper) => void
  /** The keeper is gone (its pipe has ended). */
  onGone: () => void
  /** It gives no sign of life any more: ends it for good, so that whoever runs this server starts it again. */
  kill(): void
}
