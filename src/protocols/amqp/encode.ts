// Values to bytes, in the shortest encoding each type has (compounds in the wide one; they are rare). Used for all but
// the three performatives on a message's way, which write-frames.ts lays straight into the output page.

import { assert } from '../../base/assert.ts'
import type { Value } from './types.ts'

const WIDE_LIST = 0xd0
const WIDE_MAP = 0xd1
const WIDE_ARRAY = 0xf0

/** A buffer that grows; the encoded value is its first `length` bytes. */
class Writer {
  bytes = Buffer.allocUnsafe(512)
  length = 0

  room(n: number): number {
    const at = this.length
    if (at + n > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, at + n))
      this.bytes.copy(larger, 0, 0, at)
      this.bytes = larger
    }
    this.length = at + n
    return at
  }

  u8(byte: number): void {
    const at = this.room(1)
    this.bytes[at] = byte
  }

  u32(n: number): void {
    const at = this.room(4)
    this.bytes.writeUInt32BE(n, at)
  }

  raw(bytes: Uint8Array): void {
    const at = this.room(bytes.length)
    this.bytes.set(bytes, at)
  }
}

/** The encoded form of `value`. */
export const encode = (value: Value): Buffer => {
  const w = new Writer()
  put(w, value)
  return w.bytes.subarray(0, w.length)
}

const put = (w: Writer, value: Value): void => {
  if (value.type === 'described') {
    w.u8(0)
    put(w, value.descriptor)
    put(w, value.value)
    return
  }
  const code = codeOf(value)
  w.u8(code)
  body(w, value, code)
}

type Bare = Exclude<Value, { type: 'described' }>

/** The shortest code for this value. */
// prettier-ignore
const codeOf = (v: Bare): number => {
  switch (v.type) {
    case 'boolean': return v.value ? 0x41 : 0x42
    case 'uint': return v.value === 0 ? 0x43 : v.value < 256 ? 0x52 : 0x70
    case 'ulong': return v.value === 0n ? 0x44 : v.value < 256n ? 0x53 : 0x80
    case 'int': return v.value >= -128 && v.value < 128 ? 0x54 : 0x71
    case 'long': return v.value >= -128n && v.value < 128n ? 0x55 : 0x81
    case 'binary': return v.value.length < 256 ? 0xa0 : 0xb0
    case 'string': return Buffer.byteLength(v.value) < 256 ? 0xa1 : 0xb1
    case 'symbol': return v.value.length < 256 ? 0xa3 : 0xb3
    case 'list': return v.value.length === 0 ? 0x45 : WIDE_LIST
    default: return wideCode[v.type]
  }
}

/** The code that can hold any value of its type: what an array needs for all its elements. */
// prettier-ignore
const wideCode: Readonly<Record<Bare['type'], number>> = {
  null: 0x40, boolean: 0x56, ubyte: 0x50, ushort: 0x60, uint: 0x70, ulong: 0x80, byte: 0x51, short: 0x61, int: 0x71,
  long: 0x81, float: 0x72, double: 0x82, decimal32: 0x74, decimal64: 0x84, decimal128: 0x94, char: 0x73,
  timestamp: 0x83, uuid: 0x98, binary: 0xb0, string: 0xb1, symbol: 0xb3, list: WIDE_LIST, map: WIDE_MAP,
  array: WIDE_ARRAY,
}

// prettier-ignore
const body = (w: Writer, v: Bare, code: number): void => {
  switch (code) {
    case 0x40: case 0x41: case 0x42: case 0x43: case 0x44: case 0x45: return
    case 0x56: return w.u8(v.value === true ? 1 : 0)
    case 0x50: case 0x52: case 0x53: case 0x51: case 0x54: case 0x55: return w.u8(Number(v.value) & 255)
  }
  switch (v.type) {
    case 'ushort': { const at = w.room(2); w.bytes.writeUInt16BE(v.value, at); return }
    case 'short': { const at = w.room(2); w.bytes.writeInt16BE(v.value, at); return }
    case 'uint': case 'char': return w.u32(v.value)
    case 'int': { const at = w.room(4); w.bytes.writeInt32BE(v.value, at); return }
    case 'float': { const at = w.room(4); w.bytes.writeFloatBE(v.value, at); return }
    case 'double': { const at = w.room(8); w.bytes.writeDoubleBE(v.value, at); return }
    case 'ulong': { const at = w.room(8); w.bytes.writeBigUInt64BE(v.value, at); return }
    case 'long': case 'timestamp': { const at = w.room(8); w.bytes.writeBigInt64BE(v.value, at); return }
    case 'decimal32': case 'decimal64': case 'decimal128': case 'uuid': return w.raw(v.value)
    case 'binary': return variable(w, v.value, code === 0xa0)
    case 'string': return variable(w, Buffer.from(v.value, 'utf8'), code === 0xa1)
    case 'symbol': return variable(w, Buffer.from(v.value, 'latin1'), code === 0xa3)
    case 'list': case 'map': return compound(w, v.value)
    case 'array': return elements(w, v.value)
    default: assert(false, 'every AMQP type has an encoding')
  }
}

const variable = (w: Writer, bytes: Uint8Array, short: boolean): void => {
  if (short) w.u8(bytes.length)
  else w.u32(bytes.length)
  w.raw(bytes)
}

const compound = (w: Writer, items: readonly Value[]): void => {
  const start = w.room(4)
  w.u32(items.length)
  for (const item of items) put(w, item)
  w.bytes.writeUInt32BE(w.length - start - 4, start)
}

const elements = (w: Writer, items: readonly Value[]): void => {
  const start = w.room(4)
  w.u32(items.length)
  let first: Value | undefined = items[0]
  let depth = 0
  for (; first?.type === 'described'; first = first.value, depth++) {
    w.u8(0)
    put(w, first.descriptor)
  }
  const code = first === undefined ? 0x40 : wideCode[(first as Bare).type]
  w.u8(code)
  for (let item of items) {
    for (let d = 0; d < depth; d++) {
      assert(item.type === 'described', 'the elements of an array are of one type')
      item = item.value
    }
    assert(item.type !== 'described' && wideCode[item.type] === code, 'the elements of an array are of one type')
    body(w, item, code)
  }
  w.bytes.writeUInt32BE(w.length - start - 4, start)
}
