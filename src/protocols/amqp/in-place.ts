// Parses the performatives that come once per message, transfer and disposition, where they lie in the frame, into one
// object that is used again for the next. Everything is checked as strictly as in the slow way.

import { undecodable } from './decode.ts'
import { wrongField } from './errors.ts'

const TRUE = 0x41
const FALSE = 0x42
const NULL = 0x40

/** A place in a frame. `u32` and `flag` give -1 for null or an absent field. */
export class Cursor {
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  end = 0
  /** Fields left in the list being read. */
  fields = 0
  /** Where the list being read ends. */
  listEnd = 0

  set(bytes: Buffer, at: number, end: number): void {
    this.bytes = bytes
    this.at = at
    this.end = end
    this.fields = 0
  }

  take(n: number): number {
    const at = this.at
    if (n > this.end - at) throw undecodable('a value goes on beyond its frame')
    this.at = at + n
    return at
  }

  u8(): number {
    if (this.at >= this.end) throw undecodable('a value goes on beyond its frame')
    return this.bytes[this.at++]!
  }

  /** Enters the list that comes next. Its end is `listEnd`; its number of fields is `fields`. */
  list(): void {
    const code = this.u8()
    let size = 0
    if (code === 0xc0) {
      size = this.u8()
      this.listEnd = this.at + size
      if (size < 1 || this.listEnd > this.end) throw undecodable('a list goes on beyond its frame')
      this.fields = this.u8()
    } else if (code === 0xd0) {
      size = this.bytes.readUInt32BE(this.take(4))
      this.listEnd = this.at + size
      if (size < 4 || this.listEnd > this.end) throw undecodable('a list goes on beyond its frame')
      this.fields = this.bytes.readUInt32BE(this.take(4))
    } else if (code === 0x45) {
      this.listEnd = this.at
      this.fields = 0
    } else throw undecodable('a performative is not a list')
  }

  /** Enters the map that comes next and returns how many keys and values it has. */
  map(): number {
    const code = this.u8()
    if (code === 0xc1) {
      this.take(1)
      return this.u8()
    }
    if (code !== 0xd1) throw undecodable('a section is not a map')
    this.take(4)
    return this.bytes.readUInt32BE(this.take(4))
  }

  u32(): number {
    if (this.fields === 0) return -1
    this.fields--
    const code = this.u8()
    if (code === 0x52) return this.u8()
    if (code === 0x70) return this.bytes.readUInt32BE(this.take(4))
    if (code === 0x43) return 0
    if (code === NULL) return -1
    throw undecodable('a field must be a uint')
  }

  /** 1 true, 0 false, -1 null or absent. */
  flag(): number {
    if (this.fields === 0) return -1
    this.fields--
    const code = this.u8()
    if (code === TRUE) return 1
    if (code === FALSE) return 0
    if (code === NULL) return -1
    if (code === 0x56) {
      const byte = this.u8()
      if (byte < 2) return byte
    }
    throw undecodable('a field must be a boolean')
  }

  ubyte(): number {
    if (this.fields === 0) return -1
    this.fields--
    const code = this.u8()
    if (code === 0x50) return this.u8()
    if (code === NULL) return -1
    throw undecodable('a field must be a ubyte')
  }

  /** The value that comes next, where it is a whole number of any kind, or a time; null for null. `what`: for the error. */
  whole(what: string): number | null {
    const code = this.u8()
    // prettier-ignore
    switch (code) {
      case NULL: return null
      case 0x43: case 0x44: return 0
      case 0x50: case 0x52: case 0x53: return this.u8()
      case 0x51: case 0x54: case 0x55: return this.bytes.readInt8(this.take(1))
      case 0x60: return this.bytes.readUInt16BE(this.take(2))
      case 0x61: return this.bytes.readInt16BE(this.take(2))
      case 0x70: return this.bytes.readUInt32BE(this.take(4))
      case 0x71: return this.bytes.readInt32BE(this.take(4))
      case 0x80: return Number(this.bytes.readBigUInt64BE(this.take(8)))
      case 0x81: case 0x83: return Number(this.bytes.readBigInt64BE(this.take(8)))
      default: throw wrongField(`${what} is no whole number`)
    }
  }

  /** Skips a binary and returns its length; -1 for null or absent. */
  binary(): number {
    if (this.fields === 0) return -1
    this.fields--
    const code = this.u8()
    if (code === NULL) return -1
    let length = 0
    if (code === 0xa0) length = this.u8()
    else if (code === 0xb0) length = this.bytes.readUInt32BE(this.take(4))
    else throw undecodable('a field must be a binary')
    this.take(length)
    return length
  }

  /** A string; null for null or absent. */
  text(): string | null {
    if (this.fields === 0) return null
    this.fields--
    const code = this.u8()
    if (code === NULL) return null
    let length = 0
    if (code === 0xa1) length = this.u8()
    else if (code === 0xb1) length = this.bytes.readUInt32BE(this.take(4))
    else throw undecodable('a field must be a string')
    const at = this.take(length)
    return this.bytes.toString('utf8', at, at + length)
  }

  /** Skips one value of any type, whose encoding says how long it is. */
  skip(): void {
    let code = this.u8()
    // Each descriptor is a value of its own; a chain of them is as long as the frame at most.
    for (; code === 0; code = this.u8()) {
      if (this.u8() === 0) throw undecodable('a descriptor is described itself')
      this.at--
      this.plain(this.u8())
    }
    this.plain(code)
  }

  private plain(code: number): void {
    const kind = code >> 4
    if (kind === 4) this.take(0)
    else if (kind >= 5 && kind <= 9) this.take(kind === 5 ? 1 : kind === 6 ? 2 : kind === 7 ? 4 : kind === 8 ? 8 : 16)
    else if (kind === 0xa || kind === 0xc || kind === 0xe) this.take(this.u8())
    else if (kind === 0xb || kind === 0xd || kind === 0xf) this.take(this.bytes.readUInt32BE(this.take(4)))
    else throw undecodable(`0x${code.toString(16)} is no type`)
  }

  /** Skips what is left of the list and stands after it. */
  leave(): void {
    while (this.fields > 0) {
      this.fields--
      this.skip()
    }
    if (this.at !== this.listEnd) throw undecodable('a list is not as long as it says')
  }
}

/** What stands in place of a transaction's number: the state names none, or one that was never given out. */
export const NO_TRANSACTION = -1
export const UNKNOWN_TRANSACTION = -2

const NO_STATE = -1
const TRANSACTIONAL = 0x34
const TRANSACTION_BYTES = 4

/** The id of a transaction, which is a binary (Part 4, 4.5.7); ours are four bytes. */
export const transactionOf = (c: Cursor): number => {
  const from = c.at
  const length = c.binary()
  if (length !== TRANSACTION_BYTES) return UNKNOWN_TRANSACTION
  return c.bytes.readUInt32BE(from + (c.bytes[from] === 0xa0 ? 2 : 5))
}

/** The code of a delivery state, 0 for an unknown one; the cursor then stands at its list. */
const stateCode = (c: Cursor): number => {
  const code = c.u8()
  if (code === NULL) return NO_STATE
  if (code !== 0) throw undecodable('a delivery state must be a described list')
  const form = c.u8()
  if (form === 0x53) return c.u8()
  if (form === 0x80) {
    const at = c.take(8)
    return c.bytes.readUInt32BE(at) === 0 ? c.bytes.readUInt32BE(at + 4) : 0
  }
  if (form !== 0xa3) throw undecodable('a descriptor must be a ulong or a symbol')
  const length = c.u8()
  const at = c.take(length)
  return stateByName.get(c.bytes.toString('latin1', at, at + length)) ?? 0
}

export class Transfer {
  handle = 0
  /** -1: not given. */
  deliveryId = -1
  /** Length of the delivery tag, -1: not given. */
  tagBytes = -1
  /** Where it ends. */
  tagEnd = 0
  messageFormat = -1
  settled = false
  more = false
  resume = false
  aborted = false
  /** The transaction it belongs to. */
  transaction = NO_TRANSACTION

  /** Reads the list at the cursor; afterwards the cursor stands at the payload. */
  read(c: Cursor): void {
    c.list()
    this.handle = c.u32()
    this.deliveryId = c.u32()
    this.tagBytes = c.binary()
    this.tagEnd = c.at
    this.messageFormat = c.u32()
    this.settled = c.flag() === 1
    this.more = c.flag() === 1
    this.resume = false
    this.aborted = false
    this.transaction = NO_TRANSACTION
    if (c.fields > 0) {
      c.ubyte()
      if (c.fields > 0) {
        c.fields--
        this.#state(c)
      }
      this.resume = c.flag() === 1
      this.aborted = c.flag() === 1
      c.flag()
      if (c.fields > 0) throw undecodable('amqp:transfer:list has too many fields')
    }
    if (c.at !== c.listEnd) throw undecodable('a list is not as long as it says')
    if (this.handle < 0) throw undecodable('amqp:transfer:list lacks the field handle')
  }

  /** Of a sender only the transaction matters. */
  #state(c: Cursor): void {
    const code = stateCode(c)
    if (code === NO_STATE) return
    if (code !== TRANSACTIONAL) return c.skip()
    const { fields, listEnd } = c
    c.list()
    this.transaction = transactionOf(c)
    c.leave()
    c.fields = fields
    c.listEnd = listEnd
  }
}

/** State of a disposition: the code of the outcome, 0 for none. */
export class Disposition {
  role = false
  first = 0
  last = 0
  settled = false
  state = 0
  deliveryFailed = false
  undeliverableHere = false
  /** The transaction in which the outcome is to be. */
  transaction = NO_TRANSACTION

  read(c: Cursor): void {
    c.list()
    const role = c.flag()
    this.role = role === 1
    this.first = c.u32()
    const last = c.u32()
    this.last = last < 0 ? this.first : last
    this.settled = c.flag() === 1
    this.state = 0
    this.transaction = NO_TRANSACTION
    this.deliveryFailed = false
    this.undeliverableHere = false
    if (role < 0 || this.first < 0) throw undecodable('amqp:disposition:list lacks a mandatory field')
    if (c.fields > 0) {
      c.fields--
      this.readState(c)
    }
    c.flag()
    if (c.fields > 0) throw undecodable('amqp:disposition:list has too many fields')
    if (c.at !== c.listEnd) throw undecodable('a list is not as long as it says')
  }

  /** Outcomes as every client sends them; another form of descriptor is read as its number too. */
  private readState(c: Cursor): void {
    const code = stateCode(c)
    if (code === NO_STATE) return
    this.state = code
    const { fields, listEnd } = c
    c.list()
    if (this.state === 0x27) {
      this.deliveryFailed = c.flag() === 1
      this.undeliverableHere = c.flag() === 1
    } else if (this.state === TRANSACTIONAL) {
      if (this.transaction !== NO_TRANSACTION) throw undecodable('a transactional state stands in another one')
      this.transaction = transactionOf(c)
      this.state = 0
      if (c.fields > 0) {
        c.fields--
        this.readState(c)
      }
    }
    c.leave()
    c.fields = fields
    c.listEnd = listEnd
  }
}

const stateByName: ReadonlyMap<string, number> = new Map([
  ['amqp:received:list', 0x23],
  ['amqp:accepted:list', 0x24],
  ['amqp:rejected:list', 0x25],
  ['amqp:released:list', 0x26],
  ['amqp:modified:list', 0x27],
  ['amqp:transactional-state:list', TRANSACTIONAL],
])
