// One channel between two servers, whatever the network does: under virtual time, with a network that cuts, jams,
// freezes and forgets.

import assert from 'node:assert/strict'
import fc from 'fast-check'

import { ChannelWorld, PING_MS, SILENCE_MS } from '../support/channel-world.ts'
import type { ChannelNode } from '../support/channel-world.ts'
import type { MemorySocket } from '../support/memory-transport.ts'

const HALF_MINUTE = 30_000

describe('the back channel of a pair', () => {
  let world: ChannelWorld
  let p: ChannelNode
  let s: ChannelNode

  beforeEach(() => {
    world = new ChannelWorld()
    ;[p, s] = world.pair()
  })

  const up = (): void => assert.ok(world.bothUp(p, s), `not up: ${p.news.join()} ${s.news.join()}`)

  it('comes up once, dialled by the secondary, and stays', () => {
    up()
    world.clock.advance(HALF_MINUTE)
    assert.deepEqual([p.news, s.news], [['up'], ['up']])
    assert.equal(world.network.dials, 1)
    assert.ok(world.talk(p, s))
    assert.equal(p.channel.peer?.label, 'secondary')
    assert.match(p.said(/is up/)[0] ?? '', /secondary server at S:1 is up, dialled by the secondary/)
  })

  it('is dialled by the primary where the secondary cannot', () => {
    world = new ChannelWorld()
    world.network.walls.add('S>P')
    ;[p, s] = world.pair()
    up()
    world.clock.advance(HALF_MINUTE)
    assert.deepEqual([p.news, s.news], [['up'], ['up']])
    assert.match(p.said(/is up/)[0] ?? '', /dialled by the primary/)
  })

  it('comes up when the other server starts late, within half a ping interval and the way', () => {
    world = new ChannelWorld()
    s = world.node('S')
    world.clock.advance(HALF_MINUTE)
    assert.equal(s.said(/CHANNEL-UNREACHABLE/).length, 1, 'the log is not filled')
    p = world.node('P')
    const started = world.clock.now
    up()
    assert.ok(world.clock.now - started <= PING_MS / 2 + 20)
  })

  it('is dialled by both at the same moment and still is one, without a flap', () => {
    // Latencies around the wait of the primary put both handshakes across each other in every way.
    for (let latencyMs = 1; latencyMs < 250; latencyMs += 0.5) {
      world = new ChannelWorld()
      world.network.latencyMs = latencyMs
      ;[p, s] = world.pair()
      assert.ok(world.bothUp(p, s), `latency ${latencyMs}`)
      world.clock.advance(5000)
      assert.deepEqual([p.news, s.news], [['up'], ['up']], `latency ${latencyMs}`)
      assert.equal(world.network.alive().length, 2, `latency ${latencyMs}`)
    }
  })

  it('notices silence of a cut in time, on both sides, and comes back after it', () => {
    up()
    world.clock.advance(1000)
    for (const way of ['P>S', 'S>P']) world.network.cut.add(way)
    const at = world.clock.now
    assert.ok(world.clock.until(() => !p.channel.isUp && !s.channel.isUp))
    assert.ok(world.clock.now - at <= SILENCE_MS + 1, `${world.clock.now - at} ms`)
    assert.match(p.news[1] ?? '', /CHANNEL-SILENCE/)
    world.clock.advance(5000)
    world.network.heal()
    up()
    assert.ok(world.talk(p, s))
  })

  for (const way of ['P>S', 'S>P'])
    it(`goes down on both sides when only ${way} is cut, and comes back`, () => {
      up()
      world.network.cut.add(way)
      assert.ok(world.clock.until(() => !p.channel.isUp && !s.channel.isUp, 2 * SILENCE_MS))
      world.clock.advance(3000)
      assert.deepEqual([p.channel.isUp, s.channel.isUp], [false, false], 'no channel over half a network')
      world.network.heal()
      up()
      assert.ok(world.talk(p, s))
    })

  for (const who of ['P', 'S'])
    it(`is made anew when ${who} has lost it and the other side has not noticed`, () => {
      up()
      world.clock.advance(1000)
      const near = world.network.sockets.find(socket => socket.from === who) as MemorySocket
      near.reset() // and no word of it arrives at the other side
      // The secondary dials at once and is believed; the primary waits, and then the old one is asked.
      const limitMs = who === 'S' ? 20 : 2 * PING_MS + 20
      assert.ok(world.clock.until(() => p.ups === 2 && s.ups === 2, limitMs))
      world.clock.advance(5000)
      assert.deepEqual([p.ups, s.ups], [2, 2])
      assert.ok(world.talk(p, s))
    })

  it('goes to the new process of a peer that was killed without a word', () => {
    up()
    world.clock.advance(1000)
    world.network.listeners.delete('S')
    for (const socket of world.network.sockets) if (socket.from === 'S') socket.reset()
    s.host.frozen = true
    s = world.node('S')
    assert.ok(world.clock.until(() => s.channel.isUp && p.ups === 2, SILENCE_MS + PING_MS))
    assert.ok(world.talk(p, s))
  })

  it('does not blame the peer for its own freeze', () => {
    up()
    // The peer goes on sending; frozen for less than it takes the peer to give up on us.
    world.clock.advance(1000)
    p.host.frozen = true
    world.clock.advance(SILENCE_MS - 150)
    p.host.frozen = false
    world.clock.advance(5000)
    assert.deepEqual([p.news, s.news], [['up'], ['up']])
    // The timer of silence is late, with the peer's pings unread in the socket.
    const heard = s.channel.lastAnswered?.sentAt
    p.host.frozen = true
    world.network.cut.add('S>P')
    world.clock.advance(SILENCE_MS - 150)
    world.network.heal()
    world.clock.advance(140)
    p.host.frozen = false
    world.clock.advance(5000)
    assert.deepEqual([p.news, s.news], [['up'], ['up']])
    assert.notEqual(s.channel.lastAnswered?.sentAt, heard)
  })

  it('is given up by the peer of a frozen server, which then comes back', () => {
    up()
    s.host.frozen = true
    assert.ok(world.clock.until(() => !p.channel.isUp, SILENCE_MS + 10))
    world.clock.advance(10_000)
    s.host.frozen = false
    up()
    assert.ok(world.talk(p, s))
  })

  it('takes pieces of a large message for life signs', () => {
    up()
    const socket = world.network.sockets.find(({ from }) => from === 'P') as MemorySocket
    world.network.cut.add('S>P')
    const end = world.clock.now + 3000
    while (world.clock.now < end) {
      world.clock.advance(100)
      socket.received++
    }
    assert.ok(p.channel.isUp)
    assert.ok(world.clock.until(() => !p.channel.isUp, SILENCE_MS + PING_MS))
  })

  it('goes down when the send side does not move, and when too much waits in it', () => {
    for (const bytes of [20_000, 120_000]) {
      world = new ChannelWorld()
      ;[p, s] = world.pair()
      up()
      world.network.jammed.add('P>S')
      // The peer takes nothing, but bytes still come from it.
      s.host.frozen = true
      const socket = world.network.alive().find(({ from }) => from === 'P') as MemorySocket
      p.channel.send({ name: 'SNAPSHOT_CHUNK', epoch: 1, bytes: Buffer.alloc(bytes) })
      const at = world.clock.now
      while (p.channel.isUp && world.clock.now < at + 5000) {
        world.clock.advance(50)
        socket.received++
      }
      const took = world.clock.now - at
      world.clock.advance(1)
      assert.match(p.news[1] ?? '', bytes > 100_000 ? /CHANNEL-OVERFLOW/ : /CHANNEL-STUCK/)
      assert.ok(bytes > 100_000 ? took <= 50 : took <= SILENCE_MS + PING_MS, `${took} ms`)
    }
  })

  it('tells when the newest answered ping was sent, never later, and which epoch the peer follows', () => {
    up()
    s.epoch = 4
    world.network.latencyMs = 30
    world.clock.advance(1000)
    const answered = p.channel.lastAnswered
    const promised = s.channel.lastPong
    assert.ok(answered && promised)
    assert.deepEqual([answered.following, promised.following], [4, 4])
    // The promise made last counts from later than the active believes.
    assert.ok(answered.sentAt + 30 <= promised.sentAt && promised.sentAt <= world.clock.now)
    for (const way of ['P>S', 'S>P']) world.network.cut.add(way)
    world.clock.advance(5000)
    assert.ok((p.channel.lastAnswered?.sentAt ?? Infinity) <= (s.channel.lastPong?.sentAt ?? 0))
    const before = p.channel.lastAnswered
    // No answer but to a ping of this channel counts.
    world.network.heal()
    up()
    p.channel.onAnswered = () => assert.notEqual(p.channel.lastAnswered?.following, 99)
    s.channel.send({ name: 'PONG', number: 1, following: 99 })
    s.channel.send({ name: 'PONG', number: 10_000_000, following: 99 })
    world.clock.advance(100)
    assert.ok((p.channel.lastAnswered?.sentAt ?? 0) > (before?.sentAt ?? 0))
  })

  it('closes with its last words said, and does not come back', () => {
    up()
    p.channel.send({ name: 'BYE', epoch: 3, token: 't', reason: 'stop' })
    p.channel.close()
    world.clock.advance(5000)
    assert.deepEqual(s.frames, [{ name: 'BYE', epoch: 3, token: 't', reason: 'stop' }])
    assert.equal(s.news.length, 2)
    assert.deepEqual([p.news, p.channel.isUp, s.channel.isUp], [['up'], false, false])
  })

  it('is broken with a reason that both consoles show, and is not dialled again in a hurry', () => {
    up()
    world.clock.advance(1000)
    const dials = world.network.dials
    p.channel.onUp = () => p.channel.refuse('HA-FOREIGN-PAIR', 'another pair')
    p.channel.refuse('HA-FOREIGN-PAIR', 'another pair')
    assert.equal(p.news.length, 1, 'onDown comes in a later turn')
    world.clock.advance(10_000)
    assert.match(p.said(/is down/)[0] ?? '', /HA-FOREIGN-PAIR: another pair/)
    assert.match(s.said(/is down/)[0] ?? '', /HA-FOREIGN-PAIR: another pair/)
    assert.ok(world.network.dials - dials <= 10_000 / (PING_MS / 2) + 10)
  })

  it('ends in one channel after any faults', () => {
    const fault = fc.constantFrom(
      'cut P>S',
      'cut S>P',
      'heal',
      'reset P',
      'reset S',
      'freeze P',
      'freeze S',
      'thaw',
      'restart S',
      'restart P',
    )
    const step = fc.record({ fault, waitMs: fc.integer({ min: 0, max: 900 }), latencyMs: fc.constantFrom(0.5, 5, 60) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), steps => {
        world = new ChannelWorld()
        ;[p, s] = world.pair()
        for (const { fault, waitMs, latencyMs } of steps) {
          world.network.latencyMs = latencyMs
          const [verb = '', what = ''] = fault.split(' ')
          if (verb === 'cut') world.network.cut.add(what)
          if (verb === 'heal') world.network.heal()
          if (verb === 'reset')
            world.network
              .alive()
              .findLast(({ from }) => from === what)
              ?.reset()
          if (verb === 'freeze') (what === 'P' ? p : s).host.frozen = true
          if (verb === 'thaw') p.host.frozen = s.host.frozen = false
          if (verb === 'restart') {
            world.network.listeners.delete(what)
            for (const socket of world.network.sockets) if (socket.from === what) socket.reset()
            if (what === 'P') [p.host.frozen, p] = [true, world.node('P')]
            else [s.host.frozen, s] = [true, world.node('S')]
          }
          world.clock.advance(waitMs)
          const promised = s.channel.lastPong?.sentAt ?? 0
          assert.ok(
            verb === 'restart' ||
              what !== '' ||
              (p.channel.lastAnswered?.sentAt ?? 0) <= Math.max(promised, world.clock.now),
          )
        }
        world.network.heal()
        p.host.frozen = s.host.frozen = false
        assert.ok(world.bothUp(p, s, HALF_MINUTE), 'up again')
        world.clock.advance(5000)
        const ups = [p.ups, s.ups]
        assert.ok(world.talk(p, s), 'over the same connection')
        world.clock.advance(HALF_MINUTE)
        assert.deepEqual([p.ups, s.ups], ups, 'and it stays')
        assert.equal(world.network.alive().length, 2)
      }),
      { seed: 7, numRuns: 300 },
    )
  })
})
