// The selector language, example by example, against what JMS 2.0 says of each operator.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Selector, selectorOf, type SelectorValue } from '../../../src/broker/selector/selector.ts'

const message: Record<string, SelectorValue> = {
  color: 'blue', weight: 2500n, price: 9.5, big: 9007199254740993n, urgent: true, plain: false, phone: '12993', odd: 'a_b%c',
  $id: 'x', _one: 1n, größe: 3n, empty: '', quote: "it's", JMSPriority: 7n, nan: NaN,
} // prettier-ignore

const get = (name: string): SelectorValue => message[name] ?? null

function sure(text: string): Selector {
  const selector = selectorOf(text)
  if (typeof selector === 'string') throw new Error(`${text}: ${selector}`)
  return selector
}

const holds = (text: string): boolean => sure(text).matches(get)

/** The third value: neither the condition nor its contrary holds. */
const isUnknown = (text: string): boolean => !holds(text) && !holds(`NOT (${text})`)

// prettier-ignore
const TRUE = [
  '', '  ', 'TRUE', 'urgent', 'NOT plain', "color = 'blue'", "color <> 'red'", 'weight > 2000', 'weight >= 2500', 'weight <= 2500.0',
  'price = 9.5', 'price < 10', '9.5 = price', 'urgent = TRUE', 'urgent <> plain', "quote = 'it''s'", "empty = ''",
  "color = 'blue' AND weight > 2000 OR nothing = 1", "nothing = 1 OR color = 'blue'", 'not plain and urgent', 'nOt plain', 'JMSPriority = 7',
  '7 / 2 = 3', '7 / 2.0 = 3.5', '1 + 2 * 3 = 7', '(1 + 2) * 3 = 9', '-weight < -2000', '- - 3 = 3', '+3 = 3', '10 - 3 - 2 = 5', '8 / 4 / 2 = 1',
  'price * 2 = 19', 'big = 9007199254740993', 'big <> 9007199254740992', '0x1F = 31', '017 = 15', '62L = 62', '7E3 = 7000', '-57.9E2 = -5790', '7. = 7', '.5 = 0.5', '5d = 5', '-9223372036854775808 < 0',
  '0xFFFFFFFFFFFFFFFF = -1', '9223372036854775807 + 1 = -9223372036854775808',
  'weight BETWEEN 2000 AND 3000', 'weight BETWEEN 2500 AND 2500', 'weight NOT BETWEEN 1 AND 2', 'price between 9 and 10 and urgent',
  "color IN ('red', 'blue')", "color NOT IN ('red')", 'nothing IS NULL', 'color IS NOT NULL',
  "phone LIKE '12%3'", "phone LIKE '1_993'", "phone LIKE '%'", "phone NOT LIKE '12%4'", "odd LIKE 'a\\_b\\%c' ESCAPE '\\'", "odd LIKE 'a__%' ESCAPE '!'", "odd LIKE '%\\%_' ESCAPE '\\'",
  "empty LIKE '%'", "color LIKE 'blue'", "phone LIKE '%9%9%'", "$id = 'x'", '_one = 1', 'größe = 3', "color='blue'AND weight>0", 'nan <> 1', '(urgent)', "(color = 'blue') = TRUE",
]

// prettier-ignore
const FALSE = [
  'FALSE', 'plain', "color = 'Blue'", 'weight < 2500', "color = weight", 'color > 5', 'color = 5', 'color <> 5', 'urgent = 1', 'urgent <> 1', 'urgent <> color',
  "weight = '2500'", 'nan = nan', "color IN ('red')", 'weight NOT BETWEEN 2000 AND 3000', 'color IS NULL', 'nothing IS NOT NULL',
  "phone LIKE '12_3'", "odd LIKE 'a\\_b_d' ESCAPE '\\'", "empty LIKE '_'", "weight LIKE '2500'", 'plain AND nothing = 1', "color LIKE 'blu'", "phone NOT LIKE '1%'",
]

// prettier-ignore
const UNKNOWN = [
  'nothing', 'color', 'weight', "Color = 'blue'", 'nothing = 1', 'nothing <> 1', '1 < nothing', 'NOT nothing = 1', "nothing LIKE '%'", "nothing NOT LIKE 'a'", "nothing IN ('a')", "nothing NOT IN ('a')",
  'nothing BETWEEN 1 AND 2', 'weight BETWEEN nothing AND 5000', 'urgent AND nothing = 1', 'plain OR nothing = 1', 'nothing + 1 = 1', 'color + 1 = 1', '1 / 0 = 1', '-color = 1', 'nothing = nothing',
]

// prettier-ignore
const REFUSED: [string, RegExp][] = [
  ['color =', /the end is not expected here \(at character 8\)/], ["color = 'blue", /closing quote/], ['color == 1', /= is not expected/], ["'a' < 'b'", /number is asked for/], ["color > 'a'", /number is asked for/],
  ['TRUE > 1', /number is asked for/], ["'a' = 1", /never equal/], ['1', /no condition/], ["'a'", /no condition/], ['1 AND urgent', /no condition/], ['NOT 5', /no condition/],
  ["'a' LIKE 'b'", /name of a property/], ["(color) LIKE 'b'", /name of a property/], ["1 IN ('a')", /name of a property/], ['5 IS NULL', /name of a property/], ['color IN (1)', /1 is not expected/], ['color IN ()', /not expected/],
  ["color LIKE 'a' ESCAPE 'ab'", /one character/], ["color LIKE 'a!b' ESCAPE '!'", /escape character stands/], ["color LIKE 'a!' ESCAPE '!'", /escape character stands/], ['color LIKE other', /other is not expected/],
  ['a = 1 = 2', /= is not expected/], ['(a = 1', /the end is not expected/], ['a = 1)', /\) is not expected/], ['a.b = 1', /means nothing|not expected/], ['a # 1', /# means nothing/], ['NULL = 1', /NULL is not expected/], ['and = 1', /AND is not expected/],
  ['a NOT = 1', /= is not expected/], ['a NOT', /the end is not expected/], ['9223372036854775808 = a', /too large/], ['1e999 = a', /too large/], ['089 = a', /octal/], ['12abc = 1', /ends in a/], ["color = 1 + 'a'", /number is asked for/],
  ['a BETWEEN 1 OR 2', /OR is not expected/], ['a IS 5', /5 is not expected/], ['😀 = 1', /😀 means nothing/],
]

describe('selectors', () => {
  for (const text of TRUE) it(`holds: ${text}`, () => assert.ok(holds(text)))
  for (const text of FALSE) {
    it(`does not hold: ${text}`, () => {
      assert.ok(!holds(text))
      assert.ok(holds(`NOT (${text})`), 'false, not unknown')
    })
  }
  for (const text of UNKNOWN) it(`is unknown: ${text}`, () => assert.ok(isUnknown(text)))
  for (const [text, why] of REFUSED) {
    it(`is refused: ${text}`, () => assert.match(String(selectorOf(text)), why))
  }

  it('has a longest text, a most of terms and a deepest nesting', () => {
    const nested = (levels: number): string => '('.repeat(levels) + 'urgent' + ')'.repeat(levels)
    assert.ok(holds(nested(64)))
    assert.match(String(selectorOf(nested(65))), /64 levels/)
    assert.match(String(selectorOf('NOT '.repeat(65) + 'urgent')), /64 levels/)
    assert.match(String(selectorOf(`a = ${'-'.repeat(65)}1`)), /64 levels/)
    assert.match(String(selectorOf('a'.repeat(4097))), /4096 characters/)
    assert.match(String(selectorOf(`a${' OR a'.repeat(300)}`)), /512 terms/)
    assert.match(String(selectorOf(`color IN ('a'${",'a'".repeat(600)})`)), /512 terms/)
    assert.match(String(selectorOf(`color LIKE '${'a'.repeat(257)}'`)), /256 characters/)
  })

  it('matches patterns in bounded time, and no text that is too long', () => {
    const matching = sure(`t LIKE '${'%a_'.repeat(80)}%b'`)
    assert.ok(!matching.matches(() => 'a'.repeat(16 * 1024)))
    assert.ok(!sure("t LIKE '%'").matches(() => 'a'.repeat(16 * 1024 + 1)))
  })

  it('matches patterns as a regular expression does', () => {
    const char = fc.constantFrom('a', 'b', '%', '_', '😀')
    fc.assert(
      fc.property(fc.string({ unit: char, maxLength: 8 }), fc.string({ unit: char, maxLength: 8 }), (pattern, text) => {
        const expected = new RegExp(`^${pattern.replaceAll('%', '.*').replaceAll('_', '.')}$`, 'us').test(text)
        assert.equal(
          sure(`t LIKE '${pattern}'`).matches(() => text),
          expected,
        )
      }),
      { seed: 4, numRuns: 500 },
    )
  })

  it('never throws, whatever it is given', () => {
    const word = fc.constantFrom(
      ...`a b 1 2.5 'x' ( ) , = <> < + - * / AND OR NOT IN LIKE ESCAPE BETWEEN IS NULL TRUE ' # 9e9`.split(' '),
    )
    let selectors = 0
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 9 }),
        fc.constantFrom<SelectorValue>(null, 1n, 2.5, 'x', true),
        (words, value) => {
          const selector = selectorOf(words.join(' '))
          if (typeof selector === 'string') return
          selectors++
          selector.matches(() => value)
        },
      ),
      { seed: 5, numRuns: 3000 },
    )
    assert.ok(selectors > 75, `${selectors}`)
  })
})
