// Bytes to values, within bounds: nothing is read beyond the frame, nesting and the number of values are limited, and a
// compound value must fill exactly the size it declares. In-place parsing of the two hot performatives: in-place.ts.

import { isUtf8 } from 'node:buffer'
import { fault } from './errors.ts'
import type { Simple, Value } from './types.ts'
import { NULL } from './types.ts'

export interface DecodeLimits {
  readonly depth: number
  readonly values: number
}

export const undecodable = (why: string) => fault('DECODE', { why })

export class Decoder {
  readonly bytes: Buffer
  at: number
  end: number
  #left: number
  readonly #depth: number

  constructor(bytes: Buffer, at: number, end: number, limits: DecodeLimits) {
    this.bytes = bytes
    this.at = at
    this.end = end
    this.#left = limits.values
    this.#depth = limits.depth
  }

  /** The next value, whatever it is. */
  value(): Value {
    return this.#constructed(this.#depth)
  }

  /** The descriptor of a section or performative: its code; symbolic ones are looked up in `names`; 0 for unknown. */
  descriptor(names: ReadonlyMap<string, number>): number {
    if (this.#u8() !== 0) throw undecodable('a performative must be a described value')
    const value = this.#constructed(1)
    if (value.type === 'ulong') return value.value < 256n ? Number(value.value) : 0
    if (value.type === 'symbol') return names.get(value.value) ?? 0
    throw undecodable('a descriptor must be a ulong or a symbol')
  }

  #take(n: number): number {
    const at = this.at
    if (n > this.end - at) throw undecodable('a value goes on beyond its frame')
    this.at = at + n
    return at
  }

  #u8(): number {
    return this.bytes[this.#take(1)]!
  }

  #constructed(depth: number): Value {
    if (depth <= 0) throw undecodable('values are nested too deeply')
    const code = this.#u8()
    if (code !== 0) return this.#coded(code, depth)
    const descriptor = this.#constructed(depth - 1)
    return { type: 'described', descriptor, value: this.#constructed(depth - 1) }
  }

  #coded(code: number, depth: number): Value {
    if (--this.#left < 0) throw undecodable('there are too many values')
    switch (code) {
      case 0xc0:
        return { type: 'list', value: this.#items(this.#u8(), 1, depth) }
      case 0xd0:
        return { type: 'list', value: this.#items(this.#u32(), 4, depth) }
      case 0x45:
        return { type: 'list', value: [] }
      case 0xc1:
        return this.#map(this.#items(this.#u8(), 1, depth))
      case 0xd1:
        return this.#map(this.#items(this.#u32(), 4, depth))
      case 0xe0:
        return this.#array(this.#u8(), 1, depth)
      case 0xf0:
        return this.#array(this.#u32(), 4, depth)
      default:
        return this.#simple(code)
    }
  }

  #u32(): number {
    return this.bytes.readUInt32BE(this.#take(4))
  }

  /** Enters a compound of `size` bytes and returns the end to go back to. */
  #enter(size: number): number {
    if (size > this.end - this.at) throw undecodable('a compound value goes on beyond its frame')
    const outer = this.end
    this.end = this.at + size
    return outer
  }

  #leave(outer: number): void {
    if (this.at !== this.end) throw undecodable('a compound value is not as long as it says')
    this.end = outer
  }

  #items(size: number, width: number, depth: number): Value[] {
    const outer = this.#enter(size)
    const count = width === 1 ? this.#u8() : this.#u32()
    if (count > this.end - this.at) throw undecodable('a compound value has fewer values than it says')
    const items: Value[] = []
    for (let i = 0; i < count; i++) items.push(this.#constructed(depth - 1))
    this.#leave(outer)
    return items
  }

  #map(items: Value[]): Value {
    if (items.length % 2 !== 0) throw undecodable('a map has a key without a value')
    return { type: 'map', value: items }
  }

  #array(size: number, width: number, depth: number): Value {
    const outer = this.#enter(size)
    const count = width === 1 ? this.#u8() : this.#u32()
    // Elements may take no bytes at all (null, true, empty list): only the budget of values bounds them.
    if (count > this.#left) throw undecodable('an array has too many elements')
    const descriptors: Value[] = []
    let code = this.#u8()
    while (code === 0) {
      if (descriptors.length >= depth) throw undecodable('values are nested too deeply')
      descriptors.push(this.#constructed(depth - 1))
      code = this.#u8()
    }
    const items: Value[] = []
    for (let i = 0; i < count; i++) {
      if (depth <= 1) throw undecodable('values are nested too deeply')
      let item = this.#coded(code, depth - 1)
      for (let d = descriptors.length - 1; d >= 0; d--) {
        item = { type: 'described', descriptor: descriptors[d]!, value: item }
      }
      items.push(item)
    }
    this.#leave(outer)
    return { type: 'array', value: items }
  }

  #slice(n: number): Buffer {
    const at = this.#take(n)
    return this.bytes.subarray(at, at + n)
  }

  #utf8(n: number): string {
    const bytes = this.#slice(n)
    if (!isUtf8(bytes)) throw undecodable('a string is not UTF-8')
    return bytes.toString('utf8')
  }

  #ascii(n: number): string {
    const bytes = this.#slice(n)
    for (const byte of bytes) if (byte > 127) throw undecodable('a symbol is not ASCII')
    return bytes.toString('latin1')
  }

  // prettier-ignore
  #simple(code: number): Simple {
    const b = this.bytes
    switch (code) {
      case 0x40: return NULL as Simple
      case 0x41: return { type: 'boolean', value: true }
      case 0x42: return { type: 'boolean', value: false }
      case 0x56: return { type: 'boolean', value: this.#truth() }
      case 0x50: return { type: 'ubyte', value: this.#u8() }
      case 0x60: return { type: 'ushort', value: b.readUInt16BE(this.#take(2)) }
      case 0x70: return { type: 'uint', value: this.#u32() }
      case 0x52: return { type: 'uint', value: this.#u8() }
      case 0x43: return { type: 'uint', value: 0 }
      case 0x80: return { type: 'ulong', value: b.readBigUInt64BE(this.#take(8)) }
      case 0x53: return { type: 'ulong', value: BigInt(this.#u8()) }
      case 0x44: return { type: 'ulong', value: 0n }
      case 0x51: return { type: 'byte', value: b.readInt8(this.#take(1)) }
      case 0x61: return { type: 'short', value: b.readInt16BE(this.#take(2)) }
      case 0x71: return { type: 'int', value: b.readInt32BE(this.#take(4)) }
      case 0x54: return { type: 'int', value: b.readInt8(this.#take(1)) }
      case 0x81: return { type: 'long', value: b.readBigInt64BE(this.#take(8)) }
      case 0x55: return { type: 'long', value: BigInt(b.readInt8(this.#take(1))) }
      case 0x72: return { type: 'float', value: b.readFloatBE(this.#take(4)) }
      case 0x82: return { type: 'double', value: b.readDoubleBE(this.#take(8)) }
      case 0x74: return { type: 'decimal32', value: this.#slice(4) }
      case 0x84: return { type: 'decimal64', value: this.#slice(8) }
      case 0x94: return { type: 'decimal128', value: this.#slice(16) }
      case 0x73: return { type: 'char', value: this.#codePoint() }
      case 0x83: return { type: 'timestamp', value: b.readBigInt64BE(this.#take(8)) }
      case 0x98: return { type: 'uuid', value: this.#slice(16) }
      case 0xa0: return { type: 'binary', value: this.#slice(this.#u8()) }
      case 0xb0: return { type: 'binary', value: this.#slice(this.#u32()) }
      case 0xa1: return { type: 'string', value: this.#utf8(this.#u8()) }
      case 0xb1: return { type: 'string', value: this.#utf8(this.#u32()) }
      case 0xa3: return { type: 'symbol', value: this.#ascii(this.#u8()) }
      case 0xb3: return { type: 'symbol', value: this.#ascii(this.#u32()) }
      default: throw undecodable(`0x${code.toString(16)} is no type`)
    }
  }

  #truth(): boolean {
    const byte = this.#u8()
    if (byte > 1) throw undecodable('a boolean is neither true nor false')
    return byte === 1
  }

  #codePoint(): number {
    const code = this.#u32()
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) throw undecodable('a char is no code point')
    return code
  }
}
