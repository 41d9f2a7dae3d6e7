// AMQP 1.0 values as a typed tree: what the rare performatives are decoded to and encoded from. Messages never become
// such a tree; they stay bytes.

export interface SimpleTypes {
  null: null
  boolean: boolean
  ubyte: number
  ushort: number
  uint: number
  ulong: bigint
  byte: number
  short: number
  int: number
  long: bigint
  float: number
  double: number
  /** Decimals are opaque: 4, 8 or 16 bytes. */
  decimal32: Uint8Array
  decimal64: Uint8Array
  decimal128: Uint8Array
  /** A Unicode code point. */
  char: number
  /** Milliseconds since 1970. */
  timestamp: bigint
  /** 16 bytes. */
  uuid: Uint8Array
  binary: Uint8Array
  string: string
  symbol: string
}

export type SimpleName = keyof SimpleTypes
export type Simple = { [K in SimpleName]: { readonly type: K; readonly value: SimpleTypes[K] } }[SimpleName]

export type Value =
  | Simple
  | { readonly type: 'list'; readonly value: readonly Value[] }
  /** Keys and values in turn. */
  | { readonly type: 'map'; readonly value: readonly Value[] }
  /** All elements are of one type. */
  | { readonly type: 'array'; readonly value: readonly Value[] }
  | { readonly type: 'described'; readonly descriptor: Value; readonly value: Value }

export const NULL: Value = { type: 'null', value: null }
export const bool = (value: boolean): Value => ({ type: 'boolean', value })
export const ubyte = (value: number): Value => ({ type: 'ubyte', value })
export const ushort = (value: number): Value => ({ type: 'ushort', value })
export const uint = (value: number): Value => ({ type: 'uint', value: value >>> 0 })
export const ulong = (value: bigint): Value => ({ type: 'ulong', value })
export const int = (value: number): Value => ({ type: 'int', value })
export const str = (value: string): Value => ({ type: 'string', value })
export const sym = (value: string): Value => ({ type: 'symbol', value })
export const binary = (value: Uint8Array): Value => ({ type: 'binary', value })
export const list = (value: readonly Value[]): Value => ({ type: 'list', value })
export const map = (value: readonly Value[]): Value => ({ type: 'map', value })
export const array = (value: readonly Value[]): Value => ({ type: 'array', value })
export const described = (code: number, value: Value): Value => ({
  type: 'described',
  descriptor: ulong(BigInt(code)),
  value,
})

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
