// Patterns of LIKE: `_` stands for one character, `%` for any number of them, the escape character makes either mean
// itself. No regular expression is made of what a client sends: matching takes at most pattern times text steps, and both
// are bounded.

import { SelectorFault } from './tokens.ts'

/** Longest pattern, and longest text that may match one; a longer text does not. In UTF-16 code units. */
export const PATTERN_LENGTH = 256
export const MATCHED_LENGTH = 16 * 1024

const ONE = -1
const MANY = -2

export function patternOf(pattern: string, escape: string, at: number): (text: string) => boolean {
  if (pattern.length > PATTERN_LENGTH) throw new SelectorFault(`a pattern has at most ${PATTERN_LENGTH} characters`, at)
  const points = pointsOf(pattern)
  const escapes = escape.codePointAt(0)
  const parts: number[] = []
  for (let i = 0; i < points.length; i++) {
    let part = points[i] as number
    if (part === escapes) {
      const next = points[++i]
      // Before anything else it would mean nothing.
      if (next !== UNDERSCORE && next !== PERCENT && next !== escapes) {
        throw new SelectorFault('the escape character stands before _, % or itself only', at)
      }
      part = next
    } else if (part === UNDERSCORE) part = ONE
    else if (part === PERCENT) part = MANY
    if (part !== MANY || parts.at(-1) !== MANY) parts.push(part)
  }
  if (!parts.includes(ONE) && !parts.includes(MANY)) {
    const whole = String.fromCodePoint(...parts)
    return text => text === whole
  }
  return text => text.length <= MATCHED_LENGTH && matches(parts, pointsOf(text))
}

const UNDERSCORE = 0x5f
const PERCENT = 0x25

const pointsOf = (text: string): number[] => Array.from(text, char => char.codePointAt(0) as number)

/** After a mismatch the last MANY takes one character more; those before it need never be asked again. */
function matches(parts: readonly number[], text: readonly number[]): boolean {
  let part = 0
  let many = -1
  let resume = 0
  for (let at = 0; at < text.length;) {
    const wanted = parts[part]
    if (wanted === MANY) {
      many = part++
      resume = at
    } else if (wanted === ONE || (wanted !== undefined && wanted === text[at])) {
      part++
      at++
    } else if (many >= 0) {
      part = many + 1
      at = ++resume
    } else return false
  }
  while (parts[part] === MANY) part++
  return part === parts.length
}
