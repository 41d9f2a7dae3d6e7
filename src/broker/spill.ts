// Where pages of messages go for which memory has no room: a port. What is written here is never the only copy (journal and
// snapshot have it), so nothing is flushed, nothing is left after a restart, and losing it costs a restart and no message.
// The real one is a file (src/server/spill-file.ts), the simulated one an array that fails (src/simulation/spill.ts).

export interface Spill {
  /** Keeps these bytes, which must not be changed until it answers. Any number may be under way. */
  write(bytes: Uint8Array, done: (error: Error | null, place: number) => void): void
  /** The same at once: while records are folded that nobody can refuse. Throws where it cannot. */
  writeNow(bytes: Uint8Array): number
  /** Gives back what was kept. Whether it is what was written, whoever asks must find out. */
  read(place: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void
  readNow(place: number, length: number): Uint8Array
  /** What is kept there is not needed any more. */
  free(place: number, length: number): void
}
