// Kinds of values in a profile: what a value of each kind may look like, and what the server gets for it. One value at a
// time; how values must fit together is in rules.ts.

import { looksLikeHost } from './network.ts'

/** What became of one raw value (from YAML or from the text of an override). */
export type Parsed<V> = { readonly ok: true; readonly value: V } | { readonly ok: false; readonly fault: ValueFault }
type ValueFault = 'TYPE' | 'UNIT' | 'RANGE'

export interface ValueKind<V> {
  /** For the table in docs/profiles.md. */
  readonly type: string
  readonly unit: string
  /** What a value must be, as it ends the sentence "but must be ...". */
  readonly rule: string
  /** An override's text is taken as it is, not read as YAML (`--set security.pairSecret=0123...` is text). */
  readonly literal: boolean
  /** Relative paths are made absolute after reading. */
  readonly path: boolean
  readonly secret: boolean
  parse(raw: unknown): Parsed<V>
}

const yes = <V>(value: V): Parsed<V> => ({ ok: true, value })
const no = (fault: ValueFault): Parsed<never> => ({ ok: false, fault })

interface KindOptions {
  readonly unit?: string
  readonly literal?: boolean
  readonly path?: boolean
  readonly secret?: boolean
}

const kind = <V>(
  type: string,
  rule: string,
  parse: (raw: unknown) => Parsed<V>,
  options: KindOptions = {},
): ValueKind<V> => ({ type, rule, parse, unit: '', literal: false, path: false, secret: false, ...options })

export const oneOf = <const Choice extends string>(...choices: readonly Choice[]): ValueKind<Choice> =>
  kind(choices.join(' or '), `one of ${choices.join(', ')}`, raw => {
    if (typeof raw !== 'string') return no('TYPE')
    return choices.includes(raw as Choice) ? yes(raw as Choice) : no('RANGE')
  })

const MS = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }
const BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** A whole number, bare or with one of `units`; between `least` and `most` after the unit is reckoned in. */
function amount(raw: unknown, units: Readonly<Record<string, number>>, least: number, most: number): Parsed<number> {
  let value = raw
  if (typeof raw === 'string') {
    const match = /^([0-9]{1,16}(?:\.[0-9]{1,9})?) *([a-z]*)$/i.exec(raw.trim())
    if (match === null) return no('TYPE')
    const factor =
      match[2] === '' ? 1 : Object.hasOwn(units, match[2] as string) ? units[match[2] as string] : undefined
    if (factor === undefined) return no(Object.keys(units).length > 0 ? 'UNIT' : 'TYPE')
    value = Number(match[1]) * factor
  }
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return no('TYPE')
  return value >= least && value <= most ? yes(value) : no('RANGE')
}

export const milliseconds = (least: number, most: number): ValueKind<number> =>
  kind(
    'duration',
    `a whole number of milliseconds from ${least} to ${most} (units: ms, s, min, h)`,
    raw => amount(raw, MS, least, most),
    { unit: 'ms' },
  )

/** A duration, or the word `forever`. */
export const patience = (least: number, most: number): ValueKind<number | 'forever'> =>
  kind<number | 'forever'>(
    'duration or `forever`',
    `a whole number of milliseconds from ${least} to ${most} (units: ms, s, min, h), or forever`,
    raw => (raw === 'forever' ? yes('forever' as const) : amount(raw, MS, least, most)),
    { unit: 'ms' },
  )

export const bytes = (least: number, most: number): ValueKind<number> =>
  kind(
    'size',
    `a whole number of bytes from ${least} to ${most} (units: B, KiB, MiB, GiB)`,
    raw => amount(raw, BYTES, least, most),
    { unit: 'bytes' },
  )

export const count = (least: number, most: number): ValueKind<number> =>
  kind('number', `a whole number from ${least} to ${most}`, raw => amount(raw, {}, least, most))

export const port: ValueKind<number> = kind('port', 'a whole number from 1 to 65535', raw => amount(raw, {}, 1, 65535))

export const boolean: ValueKind<boolean> = kind('boolean', 'true or false', raw =>
  typeof raw === 'boolean' ? yes(raw) : no('TYPE'),
)

export const host: ValueKind<string> = kind(
  'address',
  'an IP address or a host name',
  raw => (typeof raw !== 'string' ? no('TYPE') : looksLikeHost(raw) ? yes(raw) : no('RANGE')),
  { literal: true },
)

export const path: ValueKind<string> = kind(
  'path',
  'a path of 1 to 1000 characters',
  raw => {
    if (typeof raw !== 'string') return no('TYPE')
    return raw.length > 0 && raw.length <= 1000 && !raw.includes('\0') ? yes(raw) : no('RANGE')
  },
  { literal: true, path: true },
)

/** A secret is never quoted in a fault or shown by a command. */
export const secret: ValueKind<string> = kind(
  'secret',
  'text of 16 to 1000 characters (in quotes where it looks like a number)',
  raw => {
    if (typeof raw !== 'string') return no('TYPE')
    return raw.length >= 16 && raw.length <= 1000 ? yes(raw) : no('RANGE')
  },
  { literal: true, secret: true },
)

/** Travels in an HTTP header. */
export const token: ValueKind<string> = kind(
  'token',
  '16 to 1000 letters, digits and signs of ASCII without blanks',
  raw => (typeof raw !== 'string' ? no('TYPE') : /^[\x21-\x7e]{16,1000}$/.test(raw) ? yes(raw) : no('RANGE')),
  { literal: true, secret: true },
)

const looksLikeUrl = (text: string): boolean => /^[a-z][a-z0-9+.-]*:\/\/[^\s/:]+(:\d{1,5})?(\/\S*)?$/i.test(text)

export const url: ValueKind<string> = kind(
  'URL',
  'a URL such as amqp://host:5672',
  raw => (typeof raw !== 'string' ? no('TYPE') : looksLikeUrl(raw) && raw.length <= 1000 ? yes(raw) : no('RANGE')),
  { literal: true },
)

export const urls: ValueKind<readonly string[]> = kind('list of URLs', 'a list of at most 16 URLs', raw => {
  if (!Array.isArray(raw) || !raw.every(entry => typeof entry === 'string')) return no('TYPE')
  return raw.length <= 16 && raw.every(looksLikeUrl) ? yes(raw as string[]) : no('RANGE')
})

/** Queue names and the like. */
export const names: ValueKind<readonly string[]> = kind('list of names', 'a list of at most 10000 names', raw => {
  if (!Array.isArray(raw) || !raw.every(entry => typeof entry === 'string')) return no('TYPE')
  return raw.length <= 10_000 && raw.every(name => name.length > 0 && name.length <= 1000) ? yes(raw) : no('RANGE')
})

const ANONYMOUS = ['never', 'loopback', 'always'] as const
export type Anonymous = (typeof ANONYMOUS)[number]

/** true and false are what older profiles say: always and never. */
export const anonymous: ValueKind<Anonymous> = kind(
  'never, loopback or always',
  'never, loopback (clients on this machine) or always; false and true mean never and always',
  raw => {
    if (typeof raw === 'boolean') return yes(raw ? 'always' : 'never')
    if (typeof raw !== 'string') return no('TYPE')
    const found = ANONYMOUS.find(choice => choice === raw)
    return found === undefined ? no('RANGE') : yes(found)
  },
)

const SYNC_TYPES = ['FULL_SYNC', 'PARTIAL_SYNC', 'NO_SYNC'] as const
export type SyncType = (typeof SYNC_TYPES)[number]

/** Fiorano writes a number; the name is allowed as well. */
export const syncType: ValueKind<SyncType> = kind(
  '0, 1, 2 or name',
  '0 (FULL_SYNC), 1 (PARTIAL_SYNC) or 2 (NO_SYNC)',
  raw => {
    if (typeof raw !== 'number' && typeof raw !== 'string') return no('TYPE')
    const found = SYNC_TYPES.find((name, number) => raw === number || raw === String(number) || raw === name)
    return found === undefined ? no('RANGE') : yes(found)
  },
)

/** Name -> password, as `scrypt:<salt>:<hash>` (both base64) or as plain text. */
export const users: ValueKind<ReadonlyMap<string, string>> = kind(
  'map of name to password',
  'a map of at most 10000 names to passwords, each `scrypt:<salt>:<hash>` in base64, or 8 to 1000 characters of plain text',
  raw => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return no('TYPE')
    const entries = Object.entries(raw)
    if (!entries.every(entry => typeof entry[1] === 'string')) return no('TYPE')
    const sound = entries.every(
      ([name, password]) =>
        name.length > 0 &&
        name.length <= 255 &&
        password.length <= 1000 &&
        (password.startsWith('scrypt:')
          ? /^scrypt:[A-Za-z0-9+/]{16,}={0,2}:[A-Za-z0-9+/]{43,}={0,2}$/.test(password)
          : password.length >= 8),
    )
    return sound && entries.length <= 10_000 ? yes(new Map<string, string>(entries)) : no('RANGE')
  },
  { secret: true },
)
