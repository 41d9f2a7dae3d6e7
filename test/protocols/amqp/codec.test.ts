// The codec against bytes from the specification, and every type there and back.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Decoder } from '../../../src/protocols/amqp/decode.ts'
import { encode } from '../../../src/protocols/amqp/encode.ts'
import { AmqpFault } from '../../../src/protocols/amqp/errors.ts'
import { composites, fieldsOf, performatives } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { array, bool, list, map, str, sym, uint } from '../../../src/protocols/amqp/types.ts'

const limits = { depth: 16, values: 4096 }
const decode = (bytes: Buffer): Value => {
  const decoder = new Decoder(bytes, 0, bytes.length, limits)
  const value = decoder.value()
  assert.equal(decoder.at, bytes.length, 'all of it is read')
  return value
}
const times = (n: number, value: Value): Value[] => Array.from({ length: n }, () => value)
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')
const refuses = (bytes: Buffer): void =>
  assert.throws(
    () => decode(bytes),
    (e: unknown) => e instanceof AmqpFault && e.condition === 'amqp:decode-error',
  )

const bytesOf = (n: number) => fc.uint8Array({ minLength: n, maxLength: n }).map(b => Buffer.from(b))
const simple: Record<string, fc.Arbitrary<Value>> = {
  null: fc.constant({ type: 'null', value: null }),
  boolean: fc.boolean().map(value => ({ type: 'boolean', value })),
  ubyte: fc.integer({ min: 0, max: 255 }).map(value => ({ type: 'ubyte', value })),
  ushort: fc.integer({ min: 0, max: 65535 }).map(value => ({ type: 'ushort', value })),
  uint: fc.integer({ min: 0, max: 0xffffffff }).map(value => ({ type: 'uint', value })),
  ulong: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(value => ({ type: 'ulong', value })),
  byte: fc.integer({ min: -128, max: 127 }).map(value => ({ type: 'byte', value })),
  short: fc.integer({ min: -32768, max: 32767 }).map(value => ({ type: 'short', value })),
  int: fc.integer().map(value => ({ type: 'int', value })),
  long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(value => ({ type: 'long', value })),
  float: fc.float({ noNaN: true }).map(value => ({ type: 'float', value })),
  double: fc.double({ noNaN: true }).map(value => ({ type: 'double', value })),
  decimal32: bytesOf(4).map(value => ({ type: 'decimal32', value })),
  decimal64: bytesOf(8).map(value => ({ type: 'decimal64', value })),
  decimal128: bytesOf(16).map(value => ({ type: 'decimal128', value })),
  char: fc.constantFrom(0, 0x41, 0x20ac, 0x1f600).map(value => ({ type: 'char', value })),
  timestamp: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(value => ({ type: 'timestamp', value })),
  uuid: bytesOf(16).map(value => ({ type: 'uuid', value })),
  binary: fc.uint8Array({ maxLength: 400 }).map(b => ({ type: 'binary', value: Buffer.from(b) })),
  string: fc.string({ maxLength: 300, unit: 'grapheme' }).map(value => ({ type: 'string', value })),
  symbol: fc.string({ maxLength: 300, unit: 'grapheme-ascii' }).map(value => ({ type: 'symbol', value })),
}
const anySimple = fc.oneof(...Object.values(simple))
const anyValue = fc.letrec<{ value: Value }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    anySimple,
    fc.array(tie('value'), { maxLength: 6 }).map(list),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 }).map(pairs => map(pairs.flat())),
    fc
      .tuple(simple['symbol']!, tie('value'))
      .map(([descriptor, value]): Value => ({ type: 'described', descriptor, value })),
    fc.constantFrom(...Object.values(simple)).chain(s => fc.array(s, { maxLength: 6 }).map(array)),
  ),
})).value

describe('AMQP codec', () => {
  it('brings every simple type there and back', () => {
    for (const [type, arbitrary] of Object.entries(simple)) {
      fc.assert(
        fc.property(arbitrary, value => {
          assert.deepEqual(decode(encode(value)), value)
        }),
        { seed: 1, numRuns: 60 },
      )
      assert.equal(fc.sample(arbitrary, { seed: 1, numRuns: 1 })[0]!.type, type)
    }
  })

  it('brings nested values there and back', () => {
    fc.assert(
      fc.property(anyValue, value => {
        assert.deepEqual(decode(encode(value)), value)
      }),
      { seed: 2, numRuns: 400 },
    )
  })

  it('writes the shortest forms', () => {
    const cases: [Value, string][] = [
      [bool(true), '41'],
      [uint(0), '43'],
      [uint(255), '52 ff'],
      [uint(256), '70 00000100'],
      [{ type: 'ulong', value: 0n }, '44'],
      [{ type: 'ulong', value: 36n }, '53 24'],
      [{ type: 'int', value: -1 }, '54 ff'],
      [{ type: 'long', value: -129n }, '81 ffffffffffffff7f'],
      [str('é'), 'a1 02 c3a9'],
      [sym('a'), 'a3 01 61'],
      [list([]), '45'],
      [list([uint(1)]), 'd0 00000006 00000001 5201'],
      [array([sym('a'), sym('b')]), 'f0 0000000f 00000002 b3 00000001 61 00000001 62'],
      [{ type: 'described', descriptor: { type: 'ulong', value: 0x24n }, value: list([]) }, '00 5324 45'],
    ]
    for (const [value, text] of cases) assert.equal(encode(value).toString('hex'), text.replace(/\s/g, ''))
  })

  it('reads the forms that other libraries write', () => {
    assert.deepEqual(decode(hex('56 01')), bool(true))
    assert.deepEqual(decode(hex('c0 03 02 41 42')), list([bool(true), bool(false)]))
    assert.deepEqual(decode(hex('c1 07 02 a301 61 a101 62')), map([sym('a'), str('b')]))
    assert.deepEqual(decode(hex('e0 06 02 a3 01 61 01 62')), array([sym('a'), sym('b')]))
    assert.deepEqual(decode(hex('f0 00000005 00000003 41')), array([bool(true), bool(true), bool(true)]))
  })

  it('refuses what is broken', () => {
    for (const text of [
      '', '70 0000', 'a1 05 61', 'b1 ffffffff 61', 'a1 01 ff', 'a3 01 80', '56 02', '3f', 'ff',
      'c0 03 05 41 42', 'c0 04 02 41 42 41', 'c0 ff 01 41', 'd0 ffffffff 00000001 41', 'd0 00000004 ffffffff',
      'c1 02 01 41', 'f0 00000005 ffffffff 41', 'f0 00000005 00001001 40', '73 00110000', '00 41',
    ]) refuses(hex(text)) // prettier-ignore
  })

  it('bounds nesting and the number of values', () => {
    refuses(Buffer.concat([Buffer.alloc(100_000, 0), hex('40')]))
    let nested: Value = list([])
    for (let i = 0; i < 20; i++) nested = list([nested])
    refuses(encode(nested))
    refuses(encode(list(times(5000, bool(true)))))
    // 16 arrays of 4,000 empty lists each: few bytes, many values.
    refuses(encode(list(times(16, array(times(4000, { type: 'null', value: null }))))))
  })

  it('checks fields against the table', () => {
    const open = fieldsOf(performatives.open, list([str('me'), { type: 'null', value: null }, uint(512)]))
    assert.equal(open.containerId, 'me')
    assert.equal(open.maxFrameSize, 512)
    assert.equal(open.properties, null)
    assert.throws(() => fieldsOf(performatives.open, list([])), /lacks the field containerId/)
    assert.throws(() => fieldsOf(performatives.open, list([uint(1)])), /must be a string, not a uint/)
    assert.throws(() => fieldsOf(composites.accepted, list([uint(1)])), /too many fields/)
    assert.deepEqual(fieldsOf(performatives.open, list([str('m'), ...nulls(4), sym('x')])).outgoingLocales, ['x'])
  })
})

const nulls = (n: number): Value[] => times(n, { type: 'null', value: null })
