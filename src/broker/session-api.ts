// What an MQTT front end knows of sessions: who is a client, what of it outlives its connection, and how messages of its
// session reach it with packet identifiers that both servers of the pair know to be the same.

import type { BindingOptions } from './binding.ts'
import type { Envelope } from './envelope.ts'
import type { Refusal } from './refusal.ts'

/** The message that is published when a client goes without a word. */
export interface SessionWill {
  readonly topic: string
  readonly body: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** From the end of the connection to the publishing. */
  readonly delayMs: number
  /** From the publishing on; 0: it does not expire. */
  readonly expiryMs: number
}

export interface SessionRequest {
  readonly clientId: string
  /** As whom the client came in: a session is its user's, and nobody else's as long as it is there. */
  readonly user: string
  /** What was there before is forgotten. */
  readonly clean: boolean
  /** How long it outlives its connection: 0 not at all, Infinity for ever. */
  readonly keepMs: number
  readonly will: SessionWill | null
}

/** A message of the session's queue, on its way to the client. */
export interface SessionMessage {
  readonly packetId: number
  readonly body: Uint8Array
  readonly qos: 1 | 2
  readonly retain: boolean
  /** It may have been delivered before. */
  readonly again: boolean
  readonly envelope: Envelope
  /** Of the session's subscriptions those that it matches. */
  readonly filters: readonly string[]
}

/** The connection of a client, as its session knows it. */
export interface SessionOwner {
  /** All that has to be safe is: the client may be told. `present`: the session was there before. */
  opened(present: boolean): void
  deliver(message: SessionMessage): void
  /** Inbound QoS 2: what was `repeated` is safe; PUBREC may go. */
  taken(packetId: number): void
  /** Inbound QoS 2: it is safe that the identifier is done with; PUBCOMP may go. */
  released(packetId: number): void
  /** Outbound QoS 2: it is safe that the client has the message; PUBREL may go, also anew on a later connection. */
  received(packetId: number): void
  /** Another connection came with the same client identifier; the session is its own now. */
  takenOver(): void
  /** The broker ends it. */
  ended(refusal: Refusal): void
}

export interface Session {
  /** 0 where it ends with its connection and the broker keeps nothing of it. */
  readonly id: number
  /** Identity of this client as a publisher, for subscriptions without what is its own. */
  readonly publisher: number
  /** Filters and options, those of shared subscriptions with their prefix. */
  readonly subscriptions: ReadonlyMap<string, BindingOptions>
  /** `done` once it is safe. Only where `id` is not 0. */
  subscribe(filter: string, options: BindingOptions, done: (refusal: Refusal | null) => void): void
  unsubscribe(filter: string, done: (refusal: Refusal | null) => void): void
  /** A message only for this session, e.g. a retained one: it goes through the session's queue. */
  put(body: Uint8Array, qos: 1 | 2, retain: boolean, expiresAt: number): void
  /** Inbound QoS 2: the client sends again what came on an earlier connection. True: `taken` follows when it is safe. */
  repeated(packetId: number): boolean
  release(packetId: number): void
  /** How many messages may be at the client without its answer. Delivering begins with the first call. */
  window(messages: number): void
  /** PUBACK, or PUBREC with an error: the message is done with. False: there is none with this identifier. */
  acknowledge(packetId: number): boolean
  /** PUBREC. */
  receive(packetId: number): boolean
  /** PUBCOMP. */
  complete(packetId: number): boolean
  /** The connection is over. `keepMs`: what the client wants now, null as before. */
  leave(how: Leaving, keepMs: number | null): void
}

/** The client said goodbye, and its will is void; it is gone without; or it is this server that ends all connections. */
export type Leaving = 'goodbye' | 'gone' | 'stopped'

export interface Sessions {
  open(request: SessionRequest, owner: SessionOwner): Session | Refusal
}
