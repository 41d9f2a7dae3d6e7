// Message transport of the back channel, as the core sees it. The real one (ws, with or without TLS) lies in src/server.

export interface MessageSocket {
  /** Sends one message made of these pieces, in order, without copying them more than needed. Never throws. */
  send(pieces: readonly Uint8Array[]): void
  /** Bytes handed to `send` that the kernel has not taken yet. */
  readonly buffered: number
  /** Bytes that have arrived so far, whole messages or not: tells a slow peer from a silent one. */
  readonly received: number
  /** The other end has proved who it is: from now on it may send more than the few KiB that a stranger may. */
  trust(): void
  /**
   * Lets what was sent before reach the other end where that takes no time, else drops it. No message comes any more;
   * `onClosed` follows in a later turn, once.
   */
  close(): void
  onMessage: (message: Uint8Array) => void
  onClosed: (why: string) => void
  /** For the console: who is at the other end. */
  readonly remote: string
}

export interface Transport {
  /** Opens the back channel's port. `refused` tells of connections that were no messages at all (garbage, floods). */
  listen(incoming: (socket: MessageSocket) => void, refused: (why: string) => void): void
  /** One attempt to reach the peer, bounded in time. */
  dial(done: (error: Error | null, socket: MessageSocket | null) => void): void
  /** Closes the port and every socket. */
  close(): void
}
