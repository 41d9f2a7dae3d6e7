// What the operators of the selector language mean, as functions of a message's properties. Three-valued: null is NULL where
// a value is asked for, and "unknown" where a condition is (JMS 2.0, "Null Values"). Exact numbers are bigint and keep to
// 64 bits as Java's long does; approximate ones are number; the two compare with each other.

export type SelectorValue = string | number | bigint | boolean | null
/** A property of the message under judgement; null where it has none of this name. */
export type PropertyGetter = (name: string) => SelectorValue
export type Term = (get: PropertyGetter) => SelectorValue

type Numeric = number | bigint

export const isNumeric = (value: SelectorValue): value is Numeric =>
  typeof value === 'number' || typeof value === 'bigint'

// Conditions. What is no boolean is unknown here.

const truth = (value: SelectorValue): boolean | null => (typeof value === 'boolean' ? value : null)

const inverse = (value: boolean | null): boolean | null => (value === null ? null : !value)

export const not =
  (a: Term): Term =>
  get =>
    inverse(truth(a(get)))

export const and =
  (a: Term, b: Term): Term =>
  get => {
    const left = truth(a(get))
    if (left === false) return false
    const right = truth(b(get))
    return right === false ? false : left === null ? null : right
  }

export const or =
  (a: Term, b: Term): Term =>
  get => {
    const left = truth(a(get))
    if (left === true) return true
    const right = truth(b(get))
    return right === true ? true : left === null ? null : right
  }

// Comparisons: only like with like; unlike values compare as false, whatever is asked.

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>='

export const compare =
  (sign: Comparison, a: Term, b: Term): Term =>
  get => {
    const left = a(get)
    if (left === null) return null
    const right = b(get)
    return right === null ? null : compared(sign, left, right)
  }

const order = (a: Numeric, b: Numeric): number => (a < b ? -1 : a > b ? 1 : 0)

function compared(sign: Comparison, left: SelectorValue, right: SelectorValue): boolean {
  if (isNumeric(left) && isNumeric(right)) {
    if (sign === '<') return left < right
    if (sign === '<=') return left <= right
    if (sign === '>') return left > right
    if (sign === '>=') return left >= right
    // Exact and approximate ones compare as numbers, and NaN equals nothing.
    const same = !Number.isNaN(left) && !Number.isNaN(right) && order(left, right) === 0
    return sign === '=' ? same : !same
  }
  if (typeof left !== typeof right) return false
  if (sign === '=') return left === right
  return sign === '<>' && left !== right
}

export const between = (a: Term, low: Term, high: Term): Term => and(compare('>=', a, low), compare('<=', a, high))

export const isNull =
  (a: Term): Term =>
  get =>
    a(get) === null

export const among =
  (a: Term, texts: ReadonlySet<string>): Term =>
  get => {
    const value = a(get)
    return value === null ? null : typeof value === 'string' && texts.has(value)
  }

export const like =
  (a: Term, matches: (text: string) => boolean): Term =>
  get => {
    const value = a(get)
    return value === null ? null : typeof value === 'string' && matches(value)
  }

// Arithmetic. What is no number has no result, and neither has an exact division by zero.

export type Operation = '+' | '-' | '*' | '/'

export const calculate =
  (sign: Operation, a: Term, b: Term): Term =>
  get => {
    const left = a(get)
    const right = b(get)
    if (!isNumeric(left) || !isNumeric(right)) return null
    if (typeof left === 'bigint' && typeof right === 'bigint') {
      if (sign === '/') return right === 0n ? null : BigInt.asIntN(64, left / right)
      return BigInt.asIntN(64, sign === '+' ? left + right : sign === '-' ? left - right : left * right)
    }
    const x = Number(left)
    const y = Number(right)
    return sign === '+' ? x + y : sign === '-' ? x - y : sign === '*' ? x * y : x / y
  }

export const negative =
  (a: Term): Term =>
  get => {
    const value = a(get)
    return typeof value === 'bigint' ? BigInt.asIntN(64, -value) : typeof value === 'number' ? -value : null
  }
