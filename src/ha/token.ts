// The names inside the lock folder. A token's name says who holds the lock, with which lease, and how often it was
// renewed; every name occurs once in history, so that an operation which is executed late cannot meet a later holder's.
//
//   t.<node>.<instance>-<generation>-q<lease ms>.<count>      a token; one per folder, save for strays
//   d.<node>.<instance>-<generation>-q<lease ms>.<n>          a stray that was taken out of the way; rubbish for anybody

export interface TokenName {
  readonly name: string
  readonly node: string
  /** One keeper process. */
  readonly instance: string
  readonly leaseMs: number
  /** The name without its count: one acquisition, however often it was renewed. */
  readonly hold: string
}

const TOKEN = /^(t\.([a-z0-9_]+)\.([0-9a-f]+)-\d+-q(\d+))\.\d+$/

/** `t.<node>.<instance>-<generation>-q<lease>` */
export const holdName = (node: string, instance: string, generation: number, leaseMs: number): string =>
  `t.${node}.${instance}-${generation}-q${leaseMs}`

export const isToken = (name: string): boolean => name.startsWith('t.')
export const isRubbish = (name: string): boolean => name.startsWith('d.')

/** Null for a token of a form that this version does not know: somebody's all the same. */
export function parseToken(name: string): TokenName | null {
  const match = TOKEN.exec(name)
  if (match === null) return null
  const [, hold = '', node = '', instance = '', lease = ''] = match
  return { name, node, instance, leaseMs: Number(lease), hold }
}
