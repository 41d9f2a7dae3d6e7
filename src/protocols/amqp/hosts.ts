// What a link needs of its session, and a session of its connection: the narrow way upwards, so that connection, session
// and links can be read (and tested) one by one.

import type { LogLevel } from '../../base/ports.ts'
import type { Guest } from '../../broker/access.ts'
import type { Broker } from '../../broker/api.ts'
import type { AmqpFault } from './errors.ts'
import type { AmqpLimits } from './limits.ts'
import type { ConnectionOptions } from './open.ts'
import type { FrameOutput } from './output.ts'
import type { OpenTransaction, Transactions } from './transactions.ts'
import type { Value } from './types.ts'

/** Something that has work to do at the end of this turn of the event loop, when what arrived has been taken in. */
export interface Turn {
  /** Set by the one who keeps the list, so that nothing is listed twice. */
  listed: boolean
  turn(): void
}

export interface ConnectionHost {
  readonly limits: AmqpLimits
  readonly broker: Broker
  /** Name of the client. */
  readonly containerId: string
  /** Who signed in; null before. */
  readonly guest: Guest | null
  readonly options: Pick<ConnectionOptions, 'unique' | 'convert' | 'recovery' | 'identity' | 'clock'>
  readonly transactions: Transactions
  readonly out: FrameOutput
  /** Largest frame the client takes (and we make). */
  readonly sendFrameBytes: number
  /** Bytes of half-received messages on all links. */
  assembling: number
  /** `turn` will be called soon, once. */
  atTurn(session: Turn): void
  say(level: LogLevel, line: string): void
}

export interface SessionHost {
  readonly channel: number
  readonly connection: ConnectionHost
  atTurn(link: Turn): void
  /** Ends a link with an error. */
  failLink(link: Link, why: AmqpFault): void
  /** Tells the client a link's state (and the session's windows with it). */
  writeLinkFlow(handle: number, deliveryCount: number, credit: number, drain: boolean): void

  /** Incoming deliveries: told in ranges at the end of the turn. */
  accept(id: number): void
  refuse(id: number, outcome: Value): void

  /** Outgoing: transfer frames that the client's window still takes. */
  readonly sendWindow: number
  /** Deliveries that may still be sent unsettled. */
  readonly unsettledRoom: number
  /** A link could send more if window, settlement or output allowed: it wants `resume`. */
  starved: boolean
  nextDeliveryId(): number
  frameSent(): void
  keepUnsettled(id: number, link: OutgoingEnd, sequence: number): void
  /** The client said something of a delivery that does not settle it. */
  stillUnsettled(id: number, link: OutgoingEnd, sequence: number): void
  dropUnsettled(link: OutgoingEnd): void
  /** A delivery that stayed unsettled in a transaction is settled now. */
  settleOf(id: number): void
  /** Settles towards the client what it did not settle itself. */
  confirm(id: number, state: number): void
  /** Deliveries whose outcome is known and not confirmed yet. */
  confirming: number
}

/** What a session sees of any of its links. */
export interface Link {
  readonly name: string
  readonly handle: number
  /** False once it failed: it then only waits for the client's detach. */
  readonly open: boolean
  /** The durable subscription that closing it takes away; '': none. */
  readonly durable: string
  /** Ends it on our side; nothing is said to the client. */
  close(): void
}

/** Outcome of one delivery as the session reads it from a disposition. */
export interface Settlement {
  readonly state: number
  readonly settled: boolean
  readonly deliveryFailed: boolean
  readonly undeliverableHere: boolean
}

export interface OutgoingEnd extends Link {
  outcome(id: number, sequence: number, settlement: Settlement): void
  /** The same, to happen with a transaction. */
  enlist(transaction: OpenTransaction, id: number, sequence: number, settlement: Settlement): void
}
