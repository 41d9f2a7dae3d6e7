// What an operator may settle for addresses at run time: which, within which bounds, and which of several patterns counts for
// an address. It is kept in the replicated settings, one key to a pattern; a row of the table below is one thing to be settled.

import { nameFault, topicFault } from './limits.ts'
import { coversFilter, filterPatternFault, matchesName, PATTERN_LENGTH } from './patterns.ts'

const TOPIC_SCHEME = 'topic://'
const QUEUE_SCHEME = 'queue://'
export const ADDRESS_PREFIX = 'address/'

export const WHEN_FULL = ['refuse', 'slow', 'drop-oldest', 'dead-letter'] as const
export type WhenFull = (typeof WHEN_FULL)[number]
export type AddressKind = 'queue' | 'topic'

export interface AddressSettings {
  readonly maxMessages?: number
  readonly maxBytes?: number
  readonly whenFull?: WhenFull
  readonly deadLetter?: string
  readonly expiry?: string
  readonly maxDeliveries?: number
  readonly redeliveryDelayMs?: number
  readonly redeliveryMultiplier?: number
  readonly maxRedeliveryDelayMs?: number
  readonly defaultTimeToLiveMs?: number
  readonly maxTimeToLiveMs?: number
}

type Row =
  | {
      readonly form: 'number'
      readonly from: number
      readonly to: number
      readonly whole: boolean
      readonly meaning: string
    }
  | { readonly form: 'word'; readonly words: readonly string[]; readonly meaning: string }
  | { readonly form: 'address'; readonly meaning: string }

const DAY_MS = 86_400_000
const YEARS_MS = 3650 * DAY_MS

// prettier-ignore
export const addressRows: Readonly<Record<keyof AddressSettings, Row>> = {
  maxMessages:          { form: 'number', from: 1, to: 1e9, whole: true, meaning: 'messages in a queue, where that is less than `limits.queueMessages`' },
  maxBytes:             { form: 'number', from: 1024, to: 2 ** 46, whole: true, meaning: 'bytes in a queue, as `limits.queueBytes` counts them, where that is less' },
  whenFull:             { form: 'word', words: WHEN_FULL, meaning: 'what becomes of a message for which a queue has no room' },
  deadLetter:           { form: 'address', meaning: 'where messages go that were rejected, failed too often or had no room' },
  expiry:               { form: 'address', meaning: 'where messages go whose time is over' },
  maxDeliveries:        { form: 'number', from: 1, to: 1000, whole: true, meaning: 'failed deliveries after which a message goes to `deadLetter`' },
  redeliveryDelayMs:    { form: 'number', from: 0, to: DAY_MS, whole: true, meaning: 'how long a message waits after a failed delivery' },
  redeliveryMultiplier: { form: 'number', from: 1, to: 100, whole: false, meaning: 'by how much longer after each further one' },
  maxRedeliveryDelayMs: { form: 'number', from: 0, to: 7 * DAY_MS, whole: true, meaning: 'and how long at most' },
  defaultTimeToLiveMs:  { form: 'number', from: 1, to: YEARS_MS, whole: true, meaning: 'time to live of messages that have none' },
  maxTimeToLiveMs:      { form: 'number', from: 1, to: YEARS_MS, whole: true, meaning: 'the longest time to live; a longer one, or none, is cut to it' },
}

const KEYS = Object.keys(addressRows) as (keyof AddressSettings)[]

/** The settings in an operator's request or the store, or what is wrong with them. */
export function readAddress(value: unknown): AddressSettings | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'settings are an object'
  const given = value as Record<string, unknown>
  const unknown = Object.keys(given).find(key => !(key in addressRows))
  if (unknown !== undefined) return `${unknown.slice(0, 100)} is unknown; there are ${KEYS.join(', ')}`
  for (const key of KEYS) {
    const wrong = given[key] === undefined ? null : valueFault(key, given[key])
    if (wrong !== null) return wrong
  }
  return togetherFault(given as AddressSettings) ?? (given as AddressSettings)
}

function valueFault(key: keyof AddressSettings, value: unknown): string | null {
  const row = addressRows[key]
  if (row.form === 'word')
    return row.words.includes(value as string) ? null : `${key} is one of ${row.words.join(', ')}`
  if (row.form === 'address') {
    const wrong = typeof value === 'string' ? addressFault(value) : 'it is no text'
    return wrong === null ? null : `${key} is the name of a queue or topic://<topic>: ${wrong}`
  }
  const { from, to, whole } = row
  const fits = typeof value === 'number' && value >= from && value <= to && (!whole || Number.isInteger(value))
  return fits ? null : `${key} is a${whole ? ' whole' : ''} number from ${from} to ${to}`
}

const addressFault = (address: string): string | null =>
  address.startsWith(TOPIC_SCHEME)
    ? topicFault(address.slice(TOPIC_SCHEME.length))
    : address.startsWith(QUEUE_SCHEME)
      ? `a queue is given by its name, without ${QUEUE_SCHEME}`
      : nameFault(address)

/** What makes no sense without something else. */
function togetherFault(given: AddressSettings): string | null {
  const { deadLetter, maxDeliveries, whenFull, redeliveryDelayMs, redeliveryMultiplier, maxRedeliveryDelayMs } = given
  if (deadLetter === undefined && maxDeliveries !== undefined) return 'maxDeliveries needs a deadLetter address'
  if (deadLetter === undefined && whenFull === 'dead-letter') return 'whenFull dead-letter needs a deadLetter address'
  if (redeliveryDelayMs === undefined && (redeliveryMultiplier ?? maxRedeliveryDelayMs) !== undefined) {
    return 'redeliveryMultiplier and maxRedeliveryDelayMs need a redeliveryDelayMs'
  }
  if (maxRedeliveryDelayMs !== undefined && maxRedeliveryDelayMs < (redeliveryDelayMs ?? 0)) {
    return 'maxRedeliveryDelayMs is less than redeliveryDelayMs'
  }
  const { defaultTimeToLiveMs = 0, maxTimeToLiveMs = Infinity } = given
  return defaultTimeToLiveMs > maxTimeToLiveMs ? 'defaultTimeToLiveMs is more than maxTimeToLiveMs' : null
}

export interface AddressPattern {
  readonly kind: AddressKind
  readonly pattern: string
}

/** `queue/<pattern>` or `topic/<filter>`, as it stands in a setting's key. */
export function readPattern(text: string): AddressPattern | string {
  const slash = text.indexOf('/')
  const kind = text.slice(0, slash)
  const pattern = text.slice(slash + 1)
  if (kind !== 'queue' && kind !== 'topic') return 'it begins with queue/ or topic/'
  if (pattern.length === 0 || pattern.length > PATTERN_LENGTH) return `a pattern has 1 to ${PATTERN_LENGTH} characters`
  if (pattern.includes('{user}')) return '{user} stands for nobody here'
  const wrong = kind === 'topic' ? filterPatternFault(pattern) : null
  return wrong ?? { kind, pattern }
}

/** Why such an address cannot have these settings, or null. */
export const kindFault = ({ kind }: AddressPattern, { whenFull }: AddressSettings): string | null =>
  kind === 'topic' && whenFull === 'slow'
    ? 'whenFull slow is for queues, for the publishers of a topic would wait for its slowest subscriber'
    : null

export interface AddressEntry extends AddressPattern {
  readonly settings: AddressSettings
}

/** An address, or of a subscription the filter. */
const stands = ({ kind, pattern }: AddressPattern, of: AddressKind, name: string): boolean =>
  kind === of && (kind === 'queue' ? matchesName(pattern, '', name) : coversFilter(pattern, '', name))

/** How exactly a pattern names what it stands for: without wildcards most, else by the characters that stand for themselves. */
const exactness = ({ kind, pattern }: AddressPattern): number => {
  const literal = kind === 'queue' ? pattern.replaceAll('*', '') : pattern.replace(/[+#]/g, '')
  return literal === pattern ? Infinity : literal.length
}

/** What all addresses of a pattern begin with; `a/#` stands for `a`, too. */
const headOf = (pattern: string): string => pattern.slice(0, pattern.search(/[*+#]/)).replace(/\/$/, '')

/** Entries by how exactly they name addresses. */
export class AddressBook {
  /** Without wildcards: by kind and name. */
  readonly #exact = new Map<string, AddressEntry>()
  /** The others, in the order in which they count. */
  readonly #wide: readonly { readonly entry: AddressEntry; readonly head: string }[]

  constructor(entries: Iterable<AddressEntry>) {
    const wide: { entry: AddressEntry; head: string; literal: number }[] = []
    for (const entry of entries) {
      const { kind, pattern } = entry
      const literal = exactness(entry)
      if (literal === Infinity) this.#exact.set(`${kind}/${pattern}`, entry)
      else wide.push({ entry, head: headOf(pattern), literal })
    }
    this.#wide = wide.toSorted((a, b) =>
      a.literal === b.literal ? (a.entry.pattern < b.entry.pattern ? -1 : 1) : b.literal - a.literal,
    )
  }

  /** The entry that counts for an address: the most exact one alone, as a whole; of equals the first in the alphabet. */
  find(kind: AddressKind, name: string): AddressEntry | null {
    const exact = this.#exact.get(`${kind}/${name}`)
    if (exact !== undefined) return exact
    return this.#wide.find(({ entry, head }) => name.startsWith(head) && stands(entry, kind, name))?.entry ?? null
  }
}

/** Patterns that settings are kept for; bounds what a look-up costs. */
export const MOST_PATTERNS = 1000

const boundsOf = (row: Row): string =>
  row.form === 'number'
    ? `${row.whole ? 'whole number, ' : ''}${row.from} to ${row.to}`
    : row.form === 'word'
      ? row.words.map(word => `\`${word}\``).join(', ')
      : 'a queue, or `topic://` and a topic'

/** For docs/messaging.md. */
export const addressTable = (): string =>
  [
    '| key | value | meaning |',
    '| --- | --- | --- |',
    ...Object.entries(addressRows).map(([key, row]) => `| \`${key}\` | ${boundsOf(row)} | ${row.meaning} |`),
  ].join('\n')
