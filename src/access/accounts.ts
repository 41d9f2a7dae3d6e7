// Accounts of users: what is kept of one (never a password), how it is written into a setting, and what a password is
// checked against. Two verifiers are kept of each password: scrypt for PLAIN and MQTT, where the server sees the password,
// and the keys of SCRAM-SHA-256 (RFC 5802, RFC 7677), where it never does.

/** PBKDF2 rounds of SCRAM: the client does them at each sign-in. At least 4096 by RFC 7677. */
export const SCRAM_ROUNDS = 65_536

export interface ScramKeys {
  readonly salt: Uint8Array
  readonly rounds: number
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

export interface Account {
  readonly name: string
  readonly groups: readonly string[]
  /** `scrypt:<salt>:<hash>` or `scrypt:<cost>:<block size>:<parallelism>:<salt>:<hash>`, base64. */
  readonly password: string
  /** null: SCRAM is not to be had for this account (an account of a profile). */
  readonly scram: ScramKeys | null
}

export const NAME_LENGTH = 200
export const MOST_GROUPS = 64

/** Why a user or group cannot have this name, or null. */
export function nameFault(name: string): string | null {
  if (name.length === 0 || name.length > NAME_LENGTH) return `a name has 1 to ${NAME_LENGTH} characters`
  if (/\p{Control}|\p{Surrogate}/u.test(name)) return 'a name holds no control characters'
  return null
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
const bytesOf = (text: unknown): Uint8Array => Buffer.from(String(text), 'base64')

/** The setting's value. */
export const writeAccount = ({ groups, password, scram }: Account): string =>
  JSON.stringify({
    groups,
    password,
    scram: scram && {
      salt: base64(scram.salt),
      rounds: scram.rounds,
      storedKey: base64(scram.storedKey),
      serverKey: base64(scram.serverKey),
    },
  })

/** The account in a setting or in an operator's request, or what is wrong with it. */
export function readAccount(name: string, value: unknown): Account | string {
  const wrong = nameFault(name)
  if (wrong !== null) return wrong
  if (typeof value !== 'object' || value === null) return 'an account is an object'
  const { groups = [], password, scram = null } = value as Record<string, unknown>
  if (!Array.isArray(groups) || groups.length > MOST_GROUPS) return `groups is a list of at most ${MOST_GROUPS} names`
  for (const group of groups) {
    if (typeof group !== 'string' || nameFault(group) !== null) return 'groups is a list of names'
  }
  if (typeof password !== 'string' || readScrypt(password) === null) return 'password is a hash: scrypt:...'
  const keys = scram === null ? null : readScram(scram)
  if (typeof keys === 'string') return keys
  return { name, groups: groups as string[], password, scram: keys }
}

function readScram(value: unknown): ScramKeys | string {
  const { salt, rounds, storedKey, serverKey } = value as Record<string, unknown>
  const keys = { salt: bytesOf(salt), storedKey: bytesOf(storedKey), serverKey: bytesOf(serverKey) }
  if (keys.storedKey.length !== 32 || keys.serverKey.length !== 32) return 'the keys of scram have 32 bytes each'
  if (keys.salt.length < 8 || keys.salt.length > 64) return 'the salt of scram has 8 to 64 bytes'
  if (typeof rounds !== 'number' || rounds < 4096 || rounds > 10_000_000) return 'scram takes 4096 to 10000000 rounds'
  return { ...keys, rounds }
}

export interface ScryptHash {
  readonly cost: number
  readonly blockSize: number
  readonly parallelism: number
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

/** The parts of a stored hash, or null where it is none. The short form is Node's default cost. */
export function readScrypt(stored: string): ScryptHash | null {
  const parts = stored.split(':')
  if (parts[0] !== 'scrypt' || (parts.length !== 3 && parts.length !== 6)) return null
  const [cost, blockSize, parallelism] = parts.length === 6 ? parts.slice(1, 4).map(Number) : [2 ** 14, 8, 1]
  if (!cost || !blockSize || !parallelism || !Number.isInteger(Math.log2(cost))) return null
  if (cost * blockSize * parallelism > 2 ** 20) return null // 128 MiB: a hash must not be a way to exhaust memory
  const [salt, hash] = parts.slice(-2).map(bytesOf) as [Uint8Array, Uint8Array]
  return salt.length < 8 || hash.length < 16 || hash.length > 64 ? null : { cost, blockSize, parallelism, salt, hash }
}

export const writeScrypt = ({ cost, blockSize, parallelism, salt, hash }: ScryptHash): string =>
  `scrypt:${cost}:${blockSize}:${parallelism}:${base64(salt)}:${base64(hash)}`
