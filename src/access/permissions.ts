// Who may do what to which address: rows that grant, and nothing that forbids. Where no row exists at all, everybody who
// was let in may do everything; with the first one, only what is granted. Pure: who somebody is was settled before.

/** send: publish to it. receive: consume from it, browse it, subscribe to it. create: make it by first use. */
export type Action = 'send' | 'receive' | 'create'
export const ACTIONS: readonly Action[] = ['send', 'receive', 'create']

export interface Grant {
  readonly actions: readonly Action[]
  readonly kind: 'queue' | 'topic'
  /**
   * Queues: a name in which `*` stands for any run of characters. Topics: a filter with `+` and `#`. `{user}` stands for
   * the name of whoever asks.
   */
  readonly pattern: string
}

/** `user:<name>`, `group:<name>` or `everyone`. */
export type GrantTable = ReadonlyMap<string, readonly Grant[]>

export interface Person {
  readonly user: string
  readonly groups: readonly string[]
}

export interface Place {
  readonly kind: 'queue' | 'topic'
  /** Name of a queue or topic, or the filter of a subscription. */
  readonly name: string
}

export function mayDo(table: GrantTable, person: Person, action: Action, place: Place): boolean {
  if (table.size === 0) return true
  const subjects = ['everyone', `user:${person.user}`, ...person.groups.map(group => `group:${group}`)]
  return subjects.some(subject =>
    (table.get(subject) ?? []).some(
      grant => grant.kind === place.kind && grant.actions.includes(action) && covers(grant, person.user, place.name),
    ),
  )
}

const covers = ({ kind, pattern }: Grant, user: string, name: string): boolean =>
  kind === 'queue' ? matchesName(pattern, user, name) : coversFilter(pattern, user, name)

/** `*` for any run of characters; everything else, the user's name above all, stands for itself. */
function matchesName(pattern: string, user: string, name: string): boolean {
  const pieces = pattern.split('*').map(piece => piece.replaceAll('{user}', user))
  const [first = '', ...others] = pieces
  if (!name.startsWith(first)) return false
  const last = others.pop()
  if (last === undefined) return name === first
  let at = first.length
  for (const piece of others) {
    const found = name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return name.length - at >= last.length && name.endsWith(last)
}

/**
 * True where every topic that `name` (a topic or a filter) stands for is one that the pattern stands for. The levels of
 * the pattern are split before the user's name is put in, so that a name with `/` or `#` in it widens nothing.
 */
function coversFilter(pattern: string, user: string, name: string): boolean {
  const wanted = pattern.split('/')
  const asked = name.split('/')
  // Topics that begin with $ are the server's: a wildcard at the front does not stand for them.
  const hidden = (asked[0] ?? '').startsWith('$')
  for (let i = 0; i < wanted.length; i++) {
    const level = wanted[i] as string
    if (hidden && i === 0 && (level === '#' || level === '+')) return false
    if (level === '#') return true // the level above it, too: `a/#` stands for `a` (MQTT 5.0, 4.7.1.2)
    const other = asked[i]
    if (other === undefined || other === '#') return false
    if (level === '+') continue
    if (other === '+' || level.replaceAll('{user}', user) !== other) return false
  }
  return asked.length === wanted.length
}
