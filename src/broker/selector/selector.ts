// The selector language of JMS 2.0, whole: a text becomes a condition on a message's properties. One pass of recursive
// descent; wrong types that can be seen in the text are refused, those that a message brings make its condition false or
// unknown. AMQP carries the text as the filter apache.org:selector-filter:string. What the names mean is the getter's.
//
//   condition  = conjunction { OR conjunction }          conjunction = negation { AND negation }
//   negation   = NOT negation | predicate
//   predicate  = sum [ ( = | <> | < | <= | > | >= ) sum | [NOT] BETWEEN sum AND sum | [NOT] IN ( text {, text} )
//                    | [NOT] LIKE text [ESCAPE text] | IS [NOT] NULL ]
//   sum        = product { (+|-) product }               product = factor { (*|/) factor }
//   factor     = (+|-) factor | name | literal | ( condition )

import { SELECTOR_DEPTH, SELECTOR_LENGTH, SELECTOR_TERMS } from '../limits.ts'
import { patternOf } from './like.ts'
import {
  among,
  and,
  between,
  calculate,
  compare,
  type Comparison,
  isNull,
  like,
  negative,
  not,
  type Operation,
  or,
  type PropertyGetter,
  type Term,
} from './terms.ts'
import { SelectorFault, type Token, tokensOf } from './tokens.ts'

export type { PropertyGetter, SelectorValue } from './terms.ts'

export interface Selector {
  readonly text: string
  /** True where the condition holds; false and unknown are one here. */
  matches(get: PropertyGetter): boolean
}

/** A selector, or in words why the text is none. */
export function selectorOf(text: string): Selector | string {
  if (text.length > SELECTOR_LENGTH) return `a selector has at most ${SELECTOR_LENGTH} characters`
  try {
    const condition = new Parser(tokensOf(text)).whole()
    return { text, matches: get => condition(get) === true }
  } catch (error) {
    if (error instanceof SelectorFault) return error.message
    throw error
  }
}

/** What is known of a value before there is a message. */
type Kind = 'number' | 'text' | 'condition' | 'any'

interface Part {
  readonly kind: Kind
  readonly term: Term
  /** What LIKE, IN and IS ask for: a bare name. */
  readonly named: boolean
  readonly at: number
}

const COMPARISONS = new Set(['=', '<>', '<', '<=', '>', '>='])

class Parser {
  readonly #tokens: readonly Token[]
  #next = 0
  #depth = 0
  #terms = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  whole(): Term {
    if (this.#tokens.length === 1) return () => true
    const term = this.#condition(this.#or())
    if (this.#token.type !== 'end') throw this.#unexpected()
    return term
  }

  get #token(): Token {
    return this.#tokens[this.#next] as Token
  }

  #or(): Part {
    let left = this.#and()
    while (this.#taken('OR')) left = this.#part('condition', or(this.#condition(left), this.#condition(this.#and())))
    return left
  }

  #and(): Part {
    let left = this.#not()
    while (this.#taken('AND')) left = this.#part('condition', and(this.#condition(left), this.#condition(this.#not())))
    return left
  }

  #not(): Part {
    if (!this.#taken('NOT')) return this.#predicate()
    return this.#deeper(() => this.#part('condition', not(this.#condition(this.#not()))))
  }

  #predicate(): Part {
    const left = this.#sum()
    const { type, text } = this.#token
    if (type === 'sign' && COMPARISONS.has(text)) {
      this.#next++
      return this.#comparison(text as Comparison, left, this.#sum())
    }
    if (this.#taken('IS')) {
      const denied = this.#taken('NOT')
      this.#expect('NULL')
      const test = isNull(this.#name(left, 'IS NULL'))
      return this.#part('condition', denied ? not(test) : test)
    }
    const denied = this.#taken('NOT')
    const test = this.#test(left)
    if (test === null) {
      if (denied) throw this.#unexpected()
      return left
    }
    return this.#part('condition', denied ? not(test) : test)
  }

  #test(left: Part): Term | null {
    if (this.#taken('BETWEEN')) {
      const value = this.#number(left)
      const low = this.#number(this.#sum())
      this.#expect('AND')
      return between(value, low, this.#number(this.#sum()))
    }
    if (this.#taken('LIKE')) {
      const value = this.#name(left, 'LIKE')
      const { at } = this.#token
      const pattern = this.#text()
      const escape = this.#taken('ESCAPE') ? this.#text() : ''
      if (Array.from(escape).length > 1) throw new SelectorFault('the escape is one character', at)
      return like(value, patternOf(pattern, escape, at))
    }
    if (this.#taken('IN')) {
      const value = this.#name(left, 'IN')
      this.#expect('(')
      const texts = new Set<string>()
      do {
        texts.add(this.#text())
        this.#count()
      } while (this.#taken(','))
      this.#expect(')')
      return among(value, texts)
    }
    return null
  }

  #comparison(sign: Comparison, left: Part, right: Part): Part {
    if (sign !== '=' && sign !== '<>') {
      return this.#part('condition', compare(sign, this.#number(left), this.#number(right)))
    }
    if (left.kind !== 'any' && right.kind !== 'any' && left.kind !== right.kind) {
      throw new SelectorFault(`a ${left.kind} is never equal to a ${right.kind}`, right.at)
    }
    return this.#part('condition', compare(sign, left.term, right.term))
  }

  #sum(): Part {
    let left = this.#product()
    for (let sign = this.#sign('+', '-'); sign !== null; sign = this.#sign('+', '-')) {
      left = this.#part('number', calculate(sign, this.#number(left), this.#number(this.#product())))
    }
    return left
  }

  #product(): Part {
    let left = this.#factor()
    for (let sign = this.#sign('*', '/'); sign !== null; sign = this.#sign('*', '/')) {
      left = this.#part('number', calculate(sign, this.#number(left), this.#number(this.#factor())))
    }
    return left
  }

  #factor(): Part {
    const sign = this.#sign('+', '-')
    if (sign !== null) {
      return this.#deeper(() => {
        const value = this.#number(this.#factor())
        return this.#part('number', sign === '-' ? negative(value) : value)
      })
    }
    const { type, text, value, at } = this.#token
    if (this.#taken('(')) {
      const inner = this.#deeper(() => this.#or())
      this.#expect(')')
      return { ...inner, named: false }
    }
    if (this.#taken('TRUE')) return this.#part('condition', () => true)
    if (this.#taken('FALSE')) return this.#part('condition', () => false)
    this.#next++
    if (type === 'name') return { ...this.#part('any', get => get(text)), named: true, at }
    if (type === 'text') return this.#part('text', () => text)
    if (type === 'exact' || type === 'approximate') return this.#part('number', () => value)
    this.#next--
    throw this.#unexpected()
  }

  // What a place asks for.

  #condition({ kind, term, at }: Part): Term {
    if (kind === 'condition' || kind === 'any') return term
    throw new SelectorFault(`a ${kind} is no condition`, at)
  }

  #number({ kind, term, at }: Part): Term {
    if (kind === 'number' || kind === 'any') return term
    throw new SelectorFault(`a number is asked for, and this is a ${kind}`, at)
  }

  #name({ named, term, at }: Part, word: string): Term {
    if (named) return term
    throw new SelectorFault(`${word} asks for the name of a property`, at)
  }

  #text(): string {
    const { type, text } = this.#token
    if (type !== 'text') throw this.#unexpected()
    this.#next++
    return text
  }

  #taken(word: string): boolean {
    const { type, text } = this.#token
    if ((type !== 'word' && type !== 'sign') || text !== word) return false
    this.#next++
    return true
  }

  #expect(word: string): void {
    if (!this.#taken(word)) throw this.#unexpected()
  }

  #sign(...signs: Operation[]): Operation | null {
    for (const sign of signs) if (this.#taken(sign)) return sign
    return null
  }

  #part(kind: Kind, term: Term): Part {
    this.#count()
    return { kind, term, named: false, at: this.#token.at }
  }

  #count(): void {
    if (++this.#terms > SELECTOR_TERMS) {
      throw new SelectorFault(`a selector has at most ${SELECTOR_TERMS} terms`, this.#token.at)
    }
  }

  #deeper<T>(parse: () => T): T {
    if (++this.#depth > SELECTOR_DEPTH) {
      throw new SelectorFault(`a selector is at most ${SELECTOR_DEPTH} levels deep`, this.#token.at)
    }
    const result = parse()
    this.#depth--
    return result
  }

  #unexpected(): SelectorFault {
    const { text, at } = this.#token
    return new SelectorFault(`${text} is not expected here`, at)
  }
}
