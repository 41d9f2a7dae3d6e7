// Every bound of the AMQP front end, with its unit last. This is only the list and its defaults; which bound is enforced
// where, and with which error, is said in errors.ts.

export interface AmqpLimits {
  /** Largest frame taken and sent; told to the client as max-frame-size. At least 512. */
  readonly frameBytes: number
  /** Largest frame before `open`, and of SASL (the specification's MIN-MAX-FRAME-SIZE). */
  readonly handshakeFrameBytes: number
  /** Largest message, after its frames are put together. */
  readonly messageBytes: number
  /** Bytes of half-received messages, all links of a connection together. */
  readonly assemblyBytes: number
  /** Sessions of a connection; told as channel-max. */
  readonly sessions: number
  /** Links of a session; told as handle-max. */
  readonly links: number
  /** Deliveries of a session that the client has not settled; no more are sent until it settles some. */
  readonly unsettled: number
  /** Messages a sender may have sent that are not answered yet, per link. */
  readonly unanswered: number
  /** Credit given to a sender; renewed at half. */
  readonly credit: number
  /** Transfer frames a session takes before its window is renewed (at half). */
  readonly windowFrames: number
  /** Bytes, beyond one message, handed to a socket that does not take them before the connection is given up. */
  readonly outputBytes: number
  /** Time from connecting to `open`. */
  readonly handshakeMs: number
  /** Silence of a client that ends its connection; half of it is told as idle-time-out. */
  readonly idleMs: number
  /** Smallest idle-time-out of a client that is honoured; a smaller one is refused. */
  readonly peerIdleMs: number
  /** Time for the client to close its side after `close`. */
  readonly closeMs: number
  /** Nesting of encoded values. */
  readonly depth: number
  /** Values in one performative, all lists, maps and arrays together. */
  readonly values: number
  /** Transactions of a connection that are not discharged. */
  readonly transactions: number
  /** Time without a word about it after which a transaction is rolled back. */
  readonly transactionIdleMs: number
  /** Length of container ids, link names and addresses. */
  readonly nameBytes: number
}

export const defaultAmqpLimits: AmqpLimits = {
  frameBytes: 128 * 1024,
  handshakeFrameBytes: 512,
  messageBytes: 1024 * 1024,
  assemblyBytes: 4 * 1024 * 1024,
  sessions: 64,
  links: 256,
  unsettled: 8192,
  unanswered: 4000,
  credit: 1000,
  windowFrames: 4096,
  outputBytes: 4 * 1024 * 1024,
  handshakeMs: 10_000,
  idleMs: 60_000,
  peerIdleMs: 100,
  closeMs: 2_000,
  depth: 16,
  values: 4096,
  transactions: 64,
  transactionIdleMs: 300_000,
  nameBytes: 1024,
}
