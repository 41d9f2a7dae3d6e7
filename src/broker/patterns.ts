// Patterns by which operators name addresses: of queues a name in which `*` stands for any run of characters, of topics a
// filter with `+` and `#`. Where a user asks, `{user}` stands for its name.

/** `*` for any run of characters; everything else, the user's name above all, stands for itself. */
export function matchesName(pattern: string, user: string, name: string): boolean {
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
export function coversFilter(pattern: string, user: string, name: string): boolean {
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

/** Why this is no pattern for topics, or null. */
export const filterPatternFault = (pattern: string): string | null =>
  /^(?:[^+#/]*|\+)(?:\/(?:[^+#/]*|\+))*(?:\/#)?$|^#$/.test(pattern)
    ? null
    : `${pattern} is no topic filter: + and # stand for whole levels, # for the last ones`

export const PATTERN_LENGTH = 1000
