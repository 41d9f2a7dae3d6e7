// The words of the selector language (Jakarta/JMS 2.0, "Message Selectors"): literals as Java writes them, names, keywords
// in any case, signs. Reading is one pass over a text whose length is bounded before.

export interface Token {
  readonly type: 'name' | 'word' | 'sign' | 'text' | 'exact' | 'approximate' | 'end'
  /** Names as written, keywords in capitals, signs, and the content of texts. */
  readonly text: string
  /** Of literals that are numbers. */
  readonly value: bigint | number | null
  /** Where it begins, in UTF-16 code units. */
  readonly at: number
}

export class SelectorFault extends Error {
  readonly at: number

  constructor(why: string, at: number) {
    super(`${why} (at character ${at + 1})`)
    this.at = at
  }
}

const KEYWORDS = new Set(['NULL', 'TRUE', 'FALSE', 'NOT', 'AND', 'OR', 'BETWEEN', 'LIKE', 'IN', 'IS', 'ESCAPE'])

const SPACE = /[ \t\n\r\f]*/y
const NAME = /[\p{L}\p{Nl}\p{Sc}\p{Pc}][\p{L}\p{Nl}\p{Sc}\p{Pc}\p{Nd}\p{Mn}\p{Mc}]*/uy
const APPROXIMATE = /(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?|\d+(?:[eE][+-]?\d+[fFdD]?|[fFdD])/y
const EXACT = /(?:0[xX][0-9a-fA-F]+|\d+)[lL]?/y
const TEXT = /'((?:[^']|'')*)'/y
const SIGN = /<>|<=|>=|[=<>+\-*/(),]/y

const LARGEST = 2n ** 63n - 1n
/** Only after a minus. */
const BEYOND = 2n ** 63n

export function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found !== null) at += found[0].length
    return found
  }
  for (;;) {
    take(SPACE)
    const start = at
    const put = (type: Token['type'], word: string, value: Token['value'] = null): void => {
      tokens.push({ type, text: word, value, at: start })
    }
    if (at === text.length) {
      put('end', 'the end')
      return tokens
    }
    let found: RegExpExecArray | null
    if ((found = take(NAME)) !== null) {
      const word = found[0].toUpperCase()
      if (KEYWORDS.has(word)) put('word', word)
      else put('name', found[0])
    } else if ((found = take(APPROXIMATE)) !== null) {
      const value = Number(found[0].replace(/[fFdD]$/, ''))
      if (!Number.isFinite(value)) throw new SelectorFault(`${found[0]} is too large for a number`, start)
      put('approximate', found[0], value)
    } else if ((found = take(EXACT)) !== null) put('exact', found[0], exactOf(found[0], tokens.at(-1), start))
    else if ((found = take(TEXT)) !== null) put('text', (found[1] as string).replaceAll("''", "'"))
    else if ((found = take(SIGN)) !== null) put('sign', found[0])
    else if (text[at] === "'") throw new SelectorFault('a text has no closing quote', start)
    else throw new SelectorFault(`${String.fromCodePoint(text.codePointAt(at) as number)} means nothing here`, start)
    const last = tokens.at(-1) as Token
    NAME.lastIndex = at
    if ((last.type === 'exact' || last.type === 'approximate') && NAME.test(text)) {
      throw new SelectorFault(`a number ends in ${text[at]}`, start)
    }
  }
}

/** As Java reads it: 0x sixteen, 0 eight, else ten; a long. */
function exactOf(text: string, before: Token | undefined, at: number): bigint {
  const digits = text.replace(/[lL]$/, '')
  const eight = /^0\d/.test(digits)
  if (eight && /[89]/.test(digits)) throw new SelectorFault(`${text} is no octal number`, at)
  const value = BigInt(eight ? `0o${digits.slice(1)}` : digits)
  // As in Java, what has digits of sixteen or eight may be written as its 64 bits.
  if ((eight || /^0[xX]/.test(digits)) && value < 2n ** 64n) return BigInt.asIntN(64, value)
  if (value <= LARGEST) return value
  if (value === BEYOND && before?.type === 'sign' && before.text === '-') return value
  throw new SelectorFault(`${text} is too large for a number`, at)
}
