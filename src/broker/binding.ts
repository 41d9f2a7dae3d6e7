// How a queue or a client is subscribed to a topic filter.

import type { Envelope } from './envelope.ts'
import type { PropertyReader } from './neutral.ts'
import type { Selector } from './selector/selector.ts'

export interface BindingOptions {
  /** Highest quality of service; a message that this makes QoS 0 does not go into a session's queue. */
  readonly qos: 0 | 1 | 2
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** Subscription identifier of MQTT; 0: none. */
  readonly id: number
  /** Which of the messages (selector.ts); absent: all. */
  readonly selector?: string
  /** The publisher that no-local leaves out, where it is not the session whose queue this is; absent: it is. */
  readonly publisher?: number
}

/** True where a subscription does not want the message: by its publisher, or by its selector. */
export const unwanted = (
  selector: Selector | null,
  notFrom: number,
  body: Uint8Array,
  envelope: Envelope,
  properties: PropertyReader,
): boolean =>
  (notFrom !== 0 && notFrom === envelope.publisher) ||
  (selector !== null && !selector.matches(properties(body, envelope)))

/** As a message in a queue remembers it. */
export const gradeOf = ({ qos, retainAsPublished }: BindingOptions, shared: boolean, own: boolean): number =>
  qos | (retainAsPublished ? 4 : 0) | (shared ? SHARED | ONLY_SHARED : 0) | (own ? OWN : 0)

/** It came by the turn of a shared subscription; and by no other one. */
const SHARED = 8
const ONLY_SHARED = 16
/** Its publisher is the client that gets it. */
const OWN = 32

/** The grade of a message that matches several filters of one queue: the best of each. */
export const joinedGrade = (a: number, b: number): number =>
  Math.max(a & 3, b & 3) | ((a | b) & (4 | SHARED | OWN)) | (a & b & ONLY_SHARED)

/** Whether a message of this grade came by a subscription of this kind, where it matches its filter. */
export const cameBy = (grade: number, { noLocal }: BindingOptions, shared: boolean): boolean =>
  shared ? (grade & SHARED) !== 0 : (grade & ONLY_SHARED) === 0 && !(noLocal && (grade & OWN) !== 0)

/** A filter as a session keeps it: of a shared subscription (`$share/group/filter`), taken apart, or as it is. */
export function splitShare(text: string): { readonly group: string; readonly filter: string } {
  if (!text.startsWith('$share/')) return { group: '', filter: text }
  const slash = text.indexOf('/', 7)
  return { group: text.slice(7, slash), filter: text.slice(slash + 1) }
}
