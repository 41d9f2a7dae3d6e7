// A message without a protocol: what clients of one protocol get of a message that came in another. Made where it is
// delivered, never stored. Each protocol turns its own bytes into one of these, and one of these into its own bytes; what
// becomes of what is written down in docs/mapping.md.

import type { Envelope } from './envelope.ts'
import type { PropertyGetter } from './selector/selector.ts'

export interface NeutralMessage {
  /** The topic it was published to; '' where it was sent to a queue. */
  readonly topic: string
  readonly payload: Uint8Array
  /** The payload is UTF-8 text, as its sender said. */
  readonly isText: boolean
  readonly contentType: string | null
  /** Topic or queue for an answer, as an address (`topic://a/b`, `name`). */
  readonly replyTo: string | null
  readonly correlation: Uint8Array | null
  /** Names and texts that mean something to applications, in their order; a name may come again. */
  readonly properties: readonly (readonly [name: string, value: string])[]
}

/** Reads and writes the bytes of one format (envelope.ts). */
export interface Format {
  read(body: Uint8Array, envelope: Envelope): NeutralMessage
  write(message: NeutralMessage, envelope: Envelope): Uint8Array
}

/** The bytes of a message as it is for another topic: those of some formats say it themselves. */
export type Readdress = (body: Uint8Array, envelope: Envelope, topic: string) => Uint8Array

/** The properties of a message by the names that selectors have for them; holds until the next call. */
export type PropertyReader = (body: Uint8Array, envelope: Envelope) => PropertyGetter

/** Bytes of one format from those of any: what fits already comes back as it is. */
export type Converter = (body: Uint8Array, envelope: Envelope) => Uint8Array

/** `formats` by number. One conversion is remembered, as many consumers often get one message. */
export function converterTo(wanted: number, formats: Readonly<Record<number, Format>>): Converter {
  let from: Uint8Array | null = null
  let made: Uint8Array = new Uint8Array(0)
  return (body, envelope) => {
    if (envelope.format === wanted) return body
    if (from === body) return made
    const [reader, writer] = [formats[envelope.format], formats[wanted]]
    if (reader === undefined || writer === undefined) return body
    made = writer.write(reader.read(body, envelope), envelope)
    from = body
    return made
  }
}
