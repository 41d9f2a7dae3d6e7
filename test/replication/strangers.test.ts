// The back channel and whoever reaches its port without being the peer: refused, counted, bounded, and said once.

import assert from 'node:assert/strict'

import { encode } from '../../src/replication/codec.ts'
import { STRANGERS_LIMIT } from '../../src/replication/back-channel.ts'
import { ChannelWorld, PING_MS, SILENCE_MS } from '../support/channel-world.ts'
import type { MemorySocket } from '../support/memory-transport.ts'

const HALF_MINUTE = 30_000

describe('the back channel and those who are not the peer', () => {
  let world: ChannelWorld
  beforeEach(() => {
    world = new ChannelWorld()
  })

  it('refuses a wrong secret, on both consoles', () => {
    const p = world.node('P')
    const s = world.node('S', { secret: 'another' })
    world.clock.advance(HALF_MINUTE)
    assert.deepEqual([p.news, s.news], [[], []])
    // Whoever is dialled finds it out and tells the other one.
    for (const node of [p, s]) {
      assert.ok(
        node.said(/CHANNEL-SECRET: The server at [PS]:?1? does not know the secret/).length >= 1,
        node.log.join('\n'),
      )
      assert.ok(node.log.length < 10, 'and fills no log')
    }
  })

  it('refuses two primaries, and itself', () => {
    const p = world.node('P')
    const s = world.node('S', { label: 'primary' })
    world.clock.advance(5000)
    for (const node of [p, s]) assert.ok(node.said(/CHANNEL-LABEL/).length >= 1, node.log.join('\n'))
    assert.deepEqual([p.news, s.news], [[], []])

    world = new ChannelWorld()
    const alone = world.node('S')
    world.network.listeners.set('P', world.network.listeners.get('S') as never)
    world.network.hosts.set('P', alone.host)
    world.clock.advance(5000)
    assert.ok(alone.said(/CHANNEL-SELF/).length >= 1, alone.log.join('\n'))
  })

  it('keeps the living peer when a third server claims its place, on both consoles', () => {
    const [p, s] = world.pair()
    assert.ok(world.bothUp(p, s))
    const x = world.node('X')
    world.clock.advance(HALF_MINUTE)
    assert.deepEqual([p.news, s.news, x.news], [['up'], ['up'], []])
    for (const node of [p, x]) assert.ok(node.said(/CHANNEL-THIRD/).length >= 1, node.log.join('\n'))
    assert.ok(p.log.length < 10 && x.log.length < 10, 'no log is filled')
    // When the first one dies, the other may come.
    s.host.frozen = true
    world.network.listeners.delete('S')
    assert.ok(world.clock.until(() => x.channel.isUp, 5000))
  })

  it('keeps a peer that is only slow, for longer than a ping, while a third server knocks', () => {
    const [p, s] = world.pair()
    assert.ok(world.bothUp(p, s))
    world.node('X')
    for (let i = 0; i < 20; i++) {
      s.host.frozen = true
      world.clock.advance(SILENCE_MS - PING_MS + 20)
      s.host.frozen = false
      world.clock.advance(PING_MS + i)
    }
    assert.deepEqual([p.news, s.news], [['up'], ['up']])
  })

  /** A connection of our own making to the primary; gives what the primary says on it. */
  const stranger = (node: string): { socket: MemorySocket; heard: Buffer[] } => {
    world.network.hosts.set('E', world.clock.host)
    const heard: Buffer[] = []
    let near: MemorySocket | null = null
    world.network.connect('E', node, socket => {
      near = socket
      if (socket) socket.onMessage = message => void heard.push(Buffer.from(message))
    })
    world.clock.advance(10)
    assert.ok(near)
    return { socket: near, heard }
  }
  const hello = (label: 'primary' | 'secondary', nonce: string): Uint8Array[] =>
    encode({ name: 'HELLO', version: 1, label, instance: 'e'.repeat(16), nonce })
  const body = (message: Buffer | undefined): Record<string, string> =>
    JSON.parse(String(message?.subarray(1))) as never

  it('says nothing to a stranger that says nothing, and gives up on it', () => {
    const p = world.node('P')
    const { socket, heard } = stranger('P')
    world.clock.advance(5000)
    assert.deepEqual([heard.length, socket.closed], [0, true])
    assert.equal(p.said(/CHANNEL-HANDSHAKE/).length, 1)
  })

  it('does not take its own proof for the peer’s: reflection, and a proof seen before', () => {
    const [p, s] = world.pair()
    assert.ok(world.bothUp(p, s))
    // The true secondary's proof on the true connection, and its HELLO, replayed on another one.
    const recorded = world.network.sockets.find(({ from }) => from === 'S')?.sent as Buffer[]
    const replay = stranger('P')
    replay.socket.send([recorded[0] as Buffer])
    world.clock.advance(10)
    replay.socket.send([recorded[1] as Buffer])
    world.clock.advance(10)
    assert.equal(body(replay.heard[1]).code, 'CHANNEL-SECRET')

    // Two connections at once: what the primary answers on one is told to it on the other, as the secondary's.
    const first = stranger('P')
    first.socket.send(hello('secondary', 'a'.repeat(64)))
    world.clock.advance(10)
    const { nonce = '' } = body(first.heard[0])
    const second = stranger('P')
    second.socket.send(hello('secondary', nonce))
    world.clock.advance(10)
    assert.notEqual(body(second.heard[0]).nonce, nonce)
    // The primary proves itself only to who has proved himself: there is nothing to reflect but what was made up.
    second.socket.send(encode({ name: 'PROOF', proof: nonce }))
    world.clock.advance(10)
    assert.equal(body(second.heard[1]).code, 'CHANNEL-SECRET')

    // A server that is dialled by the primary gets a proof: on a connection to the primary it is worth nothing.
    world.network.listeners.delete('S')
    s.host.frozen = true
    world.clock.advance(2000)
    let primary: { onMessage: (m: Uint8Array) => void; send(pieces: Uint8Array[]): void } | null = null
    world.network.hosts.set('S', world.clock.host)
    const said: Buffer[] = []
    world.network.listeners.set('S', socket => {
      primary = socket
      socket.onMessage = message => void said.push(Buffer.from(message))
    })
    assert.ok(world.clock.until(() => said.length === 1))
    const back = stranger('P')
    back.socket.send(hello('secondary', body(said[0]).nonce ?? ''))
    world.clock.advance(10)
    ;(primary as unknown as MemorySocket).send(hello('secondary', body(back.heard[0]).nonce ?? ''))
    world.clock.advance(10)
    assert.equal(said[1]?.[0], 2, 'a PROOF of the primary')
    back.socket.send([said[1] as Buffer])
    ;(primary as unknown as MemorySocket).send([said[1] as Buffer])
    world.clock.advance(10)
    assert.equal(body(back.heard[1]).code, 'CHANNEL-SECRET')
    assert.equal(body(said[2]).code, 'CHANNEL-SECRET')
    assert.equal(p.ups, 1)
  })

  it('refuses any frame before the proof, other versions, and much of anything', () => {
    const p = world.node('P')
    const early = stranger('P')
    early.socket.send(encode({ name: 'PING', number: 1, committed: 1 }))
    const large = stranger('P')
    large.socket.send([Buffer.alloc(5000, 1)])
    // A greeting that would do, but for its length.
    const padded = stranger('P')
    padded.socket.send([...hello('secondary', 'a'.repeat(64)), Buffer.alloc(5000, ' ')])
    const eager = stranger('P')
    eager.socket.send(hello('secondary', 'a'.repeat(64)))
    eager.socket.send(hello('secondary', 'a'.repeat(64)))
    const other = stranger('P')
    other.socket.send([Buffer.of(1), Buffer.from('{"version":9}')])
    world.clock.advance(10)
    for (const { heard } of [early, large, padded, eager]) assert.equal(body(heard.at(-1)).code, 'CHANNEL-FRAME')
    assert.equal(body(other.heard[0]).code, 'CHANNEL-VERSION')
    world.clock.advance(10)
    for (const { socket } of [early, large, padded, eager, other]) assert.ok(socket.closed && socket.other.closed)
    assert.equal(p.said(/CHANNEL-VERSION/).length, 1)
    assert.deepEqual(p.news, [])
  })

  it('refuses frames that are none on a channel that is up', () => {
    const [p, s] = world.pair()
    assert.ok(world.bothUp(p, s))
    const socket = world.network.alive().find(({ from }) => from === 'S') as MemorySocket
    socket.send([Buffer.of(99)])
    world.clock.advance(10)
    assert.match(p.news[1] ?? '', /CHANNEL-FRAME: .*no frame has the number 99/)
    assert.match(s.news[1] ?? '', /CHANNEL-REFUSED: .*CHANNEL-FRAME/)
    assert.ok(world.bothUp(p, s))
  })

  it('holds few strangers at once, lets the peer in all the same, and fills no log', () => {
    const p = world.node('P')
    world.network.hosts.set('E', world.clock.host)
    for (let i = 0; i < 500; i++) world.network.connect('E', 'P', () => {})
    world.clock.advance(10)
    const open = (): number => world.network.alive().filter(({ from }) => from === 'P').length
    assert.ok(open() <= STRANGERS_LIMIT, `${open()} open`)
    const s = world.node('S')
    assert.ok(world.clock.until(() => p.channel.isUp && s.channel.isUp, 1000))
    for (let i = 0; i < 500; i++) world.network.connect('E', 'P', () => {})
    world.clock.advance(5000)
    assert.deepEqual([p.news, s.news], [['up'], ['up']])
    assert.ok(p.log.length < 10, p.log.join('\n'))
  })
})
