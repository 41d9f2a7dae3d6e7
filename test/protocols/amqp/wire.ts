// A client made of bytes, for tests of the engine alone: a manual clock, a socket that keeps what is written, and the
// frames a client sends, encoded with the engine's own codec (the codec itself is tested against hex and rhea).

import assert from 'node:assert/strict'
import type { Clock, Timer } from '../../../src/base/ports.ts'
import { Decoder } from '../../../src/protocols/amqp/decode.ts'
import type { AmqpConnection, AmqpLimits, ConnectionOptions } from '../../../src/protocols/amqp/front-end.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { createAmqpConnection, defaultAmqpLimits } from '../../../src/protocols/amqp/front-end.ts'
import type { Composite } from '../../../src/protocols/amqp/performatives.ts'
import {
  codesByName,
  encodePerformative,
  performatives as p,
  saslFrames,
} from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { NULL, bool, described, list, str, sym, ubyte, uint } from '../../../src/protocols/amqp/types.ts'
import { FakeBroker } from '../../support/fake-broker.ts'

export class ManualClock implements Clock {
  ms = 0
  #soon: (() => void)[] = []
  #timers: { at: number; fn: () => void }[] = []

  now(): number {
    return this.ms
  }
  wall(): number {
    return this.ms
  }
  after(ms: number, fn: () => void): Timer {
    const timer = { at: this.ms + ms, fn }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter(t => t !== timer)) }
  }
  soon(fn: () => void): void {
    this.#soon.push(fn)
  }
  get timers(): number {
    return this.#timers.length
  }
  /** Runs what was put off to a later turn, until nothing is. */
  settle(): void {
    for (let i = 0; this.#soon.length > 0; i++) {
      if (i > 10_000) throw new Error('the turns do not end')
      const now = this.#soon
      this.#soon = []
      for (const fn of now) fn()
    }
  }
  advance(ms: number): void {
    const until = this.ms + ms
    for (;;) {
      const next = this.#timers.filter(t => t.at <= until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter(t => t !== next)
      this.ms = Math.max(this.ms, next.at)
      next.fn()
      this.settle()
    }
    this.ms = until
  }
}

export interface SeenFrame {
  type: number
  channel: number
  code: number
  fields: readonly Value[]
  payload: Buffer
}

export class FakeSocket {
  chunks: Buffer[] = []
  ended = false
  destroyed = false
  takes = true
  write(bytes: Uint8Array): boolean {
    this.chunks.push(Buffer.from(bytes))
    return this.takes
  }
  end(): void {
    this.ended = true
  }
  destroy(): void {
    this.destroyed = true
  }
  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

export interface Wire {
  connection: AmqpConnection
  broker: FakeBroker
  clock: ManualClock
  socket: FakeSocket
  log: string[]
  /** Each of them in a turn of its own. */
  send(...bytes: Uint8Array[]): void
  /** Everything the engine said after the protocol headers. */
  frames(): SeenFrame[]
  /** The frames of one kind. */
  seen(composite: Composite): SeenFrame[]
}

export const wire = (
  limits: Partial<AmqpLimits> = {},
  broker = new FakeBroker(),
  more: Partial<ConnectionOptions> = {},
): Wire => {
  const clock = new ManualClock()
  const socket = new FakeSocket()
  const log: string[] = []
  const connection = createAmqpConnection({
    signIn: plainDoor(broker, { ann: 'secret' }),
    visitor: { remote: 'test', local: true, certified: null },
    output: socket,
    clock,
    limits: { ...defaultAmqpLimits, ...limits },
    identity: {
      containerId: 'test',
      product: 'lockstep',
      version: '0',
      epoch: () => 7,
      server: 'primary',
      failoverServers: [{ host: 'other', port: 5673 }],
    },
    unique: () => 'unguessable',
    convert: body => body,
    log: (level, line) => void log.push(`${level} ${line}`),
    ...more,
  })
  const frames = () => parse(socket.bytes)
  return {
    connection,
    broker,
    clock,
    socket,
    log,
    send(...bytes) {
      for (const piece of bytes) {
        connection.receive(piece)
        clock.settle()
      }
    },
    frames,
    seen: composite => frames().filter(f => f.code === composite.code),
  }
}

const parse = (bytes: Buffer): SeenFrame[] => {
  const frames: SeenFrame[] = []
  for (let at = 0; at < bytes.length;) {
    if (bytes.toString('latin1', at, at + 4) === 'AMQP') {
      at += 8
      continue
    }
    const size = bytes.readUInt32BE(at)
    if (size < 8 || at + size > bytes.length) throw new Error('the engine wrote a broken frame')
    const body = at + bytes[at + 4]! * 4
    const frame: SeenFrame = {
      type: bytes[at + 5]!,
      channel: bytes.readUInt16BE(at + 6),
      code: -1,
      fields: [],
      payload: Buffer.alloc(0),
    }
    if (body < at + size) {
      const decoder = new Decoder(bytes, body, at + size, { depth: 20, values: 10_000 })
      frame.code = decoder.descriptor(codesByName)
      const value = decoder.value()
      if (value.type !== 'list') throw new Error('a performative is not a list')
      frame.fields = value.value
      frame.payload = bytes.subarray(decoder.at, at + size)
    }
    frames.push(frame)
    at += size
  }
  return frames
}

export const frame = (channel: number, body: Uint8Array, type = 0): Buffer => {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(8 + body.length)
  head[4] = 2
  head[5] = type
  head.writeUInt16BE(channel, 6)
  return Buffer.concat([head, body])
}

export const AMQP = Buffer.from('AMQP\0\x01\0\0', 'latin1')
export const SASL = Buffer.from('AMQP\x03\x01\0\0', 'latin1')

const make = (channel: number, composite: Composite, values: readonly Value[], payload?: Uint8Array): Buffer =>
  frame(
    channel,
    payload ? Buffer.concat([encodePerformative(composite, values), payload]) : encodePerformative(composite, values),
  )

const opt = (n: number | undefined): Value => (n === undefined ? NULL : uint(n))

export const client = {
  init: (mechanism: string, response?: string) =>
    frame(
      0,
      encodePerformative(saslFrames.init, [
        sym(mechanism),
        response === undefined ? NULL : { type: 'binary', value: Buffer.from(response) },
      ]),
      1,
    ),
  open: (o: { frameBytes?: number; idle?: number } = {}) =>
    make(0, p.open, [str('client'), NULL, opt(o.frameBytes), NULL, opt(o.idle)]),
  begin: (channel = 0, window = 2048) => make(channel, p.begin, [NULL, uint(0), uint(window), uint(2048)]),
  attachSender: (handle: number, address: string | Value, channel = 0, name = `s${handle}`) =>
    make(channel, p.attach, [
      str(name),
      uint(handle),
      bool(false),
      ubyte(2),
      ubyte(0),
      described(0x28, list([])),
      typeof address === 'string' ? described(0x29, list([str(address)])) : address,
      NULL,
      NULL,
      uint(0),
    ]),
  attachReceiver: (
    handle: number,
    address: string | Value,
    o: { channel?: number; settled?: boolean; name?: string; maxBytes?: number } = {},
  ) =>
    make(o.channel ?? 0, p.attach, [
      str(o.name ?? `r${handle}`),
      uint(handle),
      bool(true),
      ubyte(o.settled === true ? 1 : 0),
      ubyte(0),
      typeof address === 'string' ? described(0x28, list([str(address)])) : address,
      described(0x29, list([])),
      NULL,
      NULL,
      NULL,
      o.maxBytes === undefined ? NULL : ({ type: 'ulong', value: BigInt(o.maxBytes) } satisfies Value),
    ]),
  flow: (o: {
    channel?: number
    next?: number
    window?: number
    handle?: number
    count?: number
    credit?: number
    drain?: boolean
    echo?: boolean
  }) =>
    make(o.channel ?? 0, p.flow, [
      uint(o.next ?? 0),
      uint(o.window ?? 2048),
      uint(0),
      uint(2048),
      opt(o.handle),
      opt(o.count),
      opt(o.credit),
      NULL,
      bool(o.drain === true),
      bool(o.echo === true),
    ]),
  transfer: (
    handle: number,
    id: number | null,
    payload: Uint8Array,
    o: {
      channel?: number
      more?: boolean
      settled?: boolean
      aborted?: boolean
      tag?: Uint8Array | null
      state?: Value
    } = {},
  ) =>
    make(
      o.channel ?? 0,
      p.transfer,
      [
        uint(handle),
        id === null ? NULL : uint(id),
        o.tag === null || id === null ? NULL : ({ type: 'binary', value: o.tag ?? Buffer.from([id]) } satisfies Value),
        uint(0),
        bool(o.settled === true),
        bool(o.more === true),
        NULL,
        o.state ?? NULL,
        NULL,
        bool(o.aborted === true),
      ],
      payload,
    ),
  disposition: (
    first: number,
    last: number,
    state: number,
    o: { channel?: number; settled?: boolean; fields?: Value[] } = {},
  ) =>
    make(o.channel ?? 0, p.disposition, [
      bool(true),
      uint(first),
      uint(last),
      bool(o.settled !== false),
      described(state, list(o.fields ?? [])),
    ]),
  detach: (handle: number, channel = 0) => make(channel, p.detach, [uint(handle), bool(true)]),
  end: (channel = 0) => make(channel, p.end, []),
  close: () => make(0, p.close, []),
}

/** A message with one data section of `n` bytes. */
export const message = (n: number, fill = 0x61): Buffer => {
  const head = Buffer.from([0, 0x53, 0x75, 0xb0, 0, 0, 0, 0])
  head.writeUInt32BE(n, 4)
  return Buffer.concat([head, Buffer.alloc(n, fill)])
}

/** Condition of the error in a frame's fields, or null. */
export const condition = (value: Value | undefined): string | null => {
  if (value?.type !== 'described' || value.value.type !== 'list') return null
  const first = value.value.value[0]
  return first?.type === 'symbol' ? first.value : null
}

/** Opened, with one session. */
export const begun = (
  limits: Partial<AmqpLimits> = {},
  broker?: FakeBroker,
  more?: Partial<ConnectionOptions>,
): Wire => {
  const w = wire(limits, broker, more)
  w.send(AMQP, client.open(), client.begin())
  return w
}

// ---- reading what was seen

export const num = (f: SeenFrame | undefined, i: number): number => {
  const value = f?.fields[i]
  return value?.type === 'uint' ? value.value : -1
}
export const truth = (f: SeenFrame | undefined, i: number): boolean =>
  f?.fields[i]?.type === 'boolean' && f.fields[i].value
export const ranges = (w: Wire): number[][] =>
  w.seen(p.disposition).map(f => [num(f, 1), f.fields[2]?.type === 'null' ? num(f, 1) : num(f, 2)])
export const stateOf = (f: SeenFrame | undefined): number => {
  const state: Value | undefined = f?.fields[4]
  return state?.type === 'described' && state.descriptor.type === 'ulong' ? Number(state.descriptor.value) : -1
}
export const closedWith = (w: Wire, wanted: string): void => {
  const close = w.seen(p.close)
  assert.equal(close.length, 1, 'one close')
  assert.equal(condition(close[0]!.fields[0]), wanted)
  assert.ok(w.socket.ended)
}
export const bulk = (handle: number, from: number, n: number, size = 10, settled = false): Buffer =>
  Buffer.concat(Array.from({ length: n }, (_, i) => client.transfer(handle, from + i, message(size), { settled })))
