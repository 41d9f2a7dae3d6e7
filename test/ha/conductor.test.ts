// One pair's conductors over the simulated world, in situations that chance seldom makes: what an operator asked for meets
// a change of role, a handover meets a stop, a take-over meets a disk that cannot be read.

import assert from 'node:assert/strict'
import { haError } from '../../src/ha/errors.ts'
import { ALL_WELL, blockedBy, unprotectedBy } from '../../src/ha/explain.ts'
import { World } from '../../src/simulation/world.ts'
import type { Machine } from '../../src/simulation/machine.ts'
import { LONG_MS, Pair, STEP_MS } from './pair-ground.ts'

describe('the conductor', function () {
  this.timeout(60_000)

  it('forgets an accepted loss once it follows its peer: later it is not in sync like any other', () => {
    const pair = new Pair('forced 1')
    const { active, passive, world } = pair
    pair.cutPeers()
    pair.until('the passive server is not in sync any more', () => pair.role(passive) === 'WAITING')
    assert.equal(pair.role(active), 'STANDALONE')
    assert.equal(pair.conductor(passive).forceActive('the other one burns'), null)
    pair.run(500)
    assert.equal(pair.role(passive), 'WAITING', 'the lock is not free')
    pair.healPeers()
    pair.until('the pair is in sync again', () => pair.role(active) === 'ACTIVE' && pair.role(passive) === 'PASSIVE')
    pair.cutPeers()
    pair.until('the peer serves alone', () => pair.role(active) === 'STANDALONE')
    pair.run(3000)
    world.machines.find(machine => machine === active)?.crash()
    pair.run(20_000)
    assert.equal(pair.role(passive), 'WAITING', pair.story())
  })

  it('lets an order to force lapse that could not be carried out: what comes later may be the better copy', () => {
    const pair = new Pair('forced 2')
    const { active, passive, world } = pair
    pair.cutPeers()
    pair.until('the passive server is not in sync any more', () => pair.role(passive) === 'WAITING')
    assert.equal(pair.conductor(passive).forceActive('the other one burns'), null)
    pair.run(61_000)
    assert.equal(pair.conductor(passive).sensors.forced, '')
    world.machines.find(machine => machine === active)?.crash()
    pair.run(20_000)
    assert.equal(pair.role(passive), 'WAITING', pair.story())
  })

  it('forces nothing without the gateway, without which nothing becomes active', () => {
    const pair = new Pair('forced 3')
    const { passive, world } = pair
    pair.cutPeers()
    pair.until('the passive server is not in sync any more', () => pair.role(passive) === 'WAITING')
    world.network.gatewayUp = false
    pair.until('the gateway is missed', () => pair.conductor(passive).sensors.gatewayUp === false)
    assert.equal(pair.conductor(passive).forceActive('the other one burns')?.code, 'HA-FORCE-NO-GATEWAY')
    assert.equal(pair.conductor(passive).sensors.forced, '')
  })

  it('finishes a switchover that is under way when it is told to stop', () => {
    const pair = new Pair('stop in switchover')
    const { active, passive, world } = pair
    const told: unknown[] = []
    world.network.slow(active.place, passive.place, 60)
    active.process?.arrive(0, () => {
      pair.conductor(active).switchover(error => told.push(error))
      pair.conductor(active).departure.stop(() => told.push('stopped'), true)
    })
    pair.until('the passive server serves', () => pair.role(passive) === 'ACTIVE', 2000)
    active.wanted = false
    pair.until('the other one has left', () => told.length === 2)
    assert.deepEqual(told, [null, 'stopped'])
  })

  it('ends without its keeper even where the peer does not take over', () => {
    const pair = new Pair('refused')
    const { active, passive } = pair
    // Whatever it is that keeps the peer from following at this moment.
    passive.process?.arrive(0, () => passive.server?.receiver.stop())
    active.wanted = false
    active.killKeeper()
    pair.until('its broker has ended', () => active.server === null, 20_000)
    pair.until('the peer serves', () => pair.role(passive) === 'STANDALONE')
  })

  it('does not serve again after its goodbye, whatever the register says then', () => {
    const pair = new Pair('goodbye')
    const { active, passive, world } = pair
    const server = active.server
    assert.ok(server)
    const { conductor } = server
    active.wanted = passive.wanted = false
    pair.failTaking()
    active.process?.arrive(0, () => conductor.switchover(() => {}))
    pair.until('the offer is taken back', () => conductor.handover.isOffered && !conductor.handover.releasing)
    let left = false
    active.process?.arrive(0, () => {
      conductor.departure.fail(haError('JOURNAL-FAILED', { reason: 'for this test' }))
      left = true
    })
    pair.until('it has left', () => left)
    world.share.release()
    pair.run(50)
    assert.ok(active.server, 'its last words take a moment')
    assert.equal(server.gate.mode, 'frozen')
    assert.equal(server.port.isOpen, false)
  })

  it('takes what is offered right after the record of the offer or not at all', () => {
    const pair = new Pair('late taker')
    const { passive } = pair
    pair.until('it knows of the join', () => pair.conductor(passive).sensors.news.record?.seq === 2)
    const outcomes: boolean[] = []
    passive.process?.perform(() => {
      const position = passive.server?.journal.flushed
      assert.ok(position)
      const order = { reason: 'hand over', goesOn: false, inSync: 'both', position, after: 1 } as const
      pair.conductor(passive).work.append(order, won => outcomes.push(won))
    })
    pair.until('the register has decided', () => outcomes.length > 0)
    assert.deepEqual(outcomes, [false])
    assert.equal(pair.world.newestThere()?.seq, 2)
  })

  it('offers nothing while it may be dropping the peer', () => {
    const pair = new Pair('solo and offer')
    const { active, passive, world } = pair
    const conductor = pair.conductor(active)
    const told: (string | undefined)[] = []
    world.share.hung = true
    pair.cutPeers()
    pair.until('the record that drops the peer is on its way', () => conductor.reign.pending !== null)
    pair.healPeers()
    pair.until('both are back', () => conductor.peer.role === 'PASSIVE' && pair.role(passive) === 'PASSIVE')
    assert.equal(conductor.reign.pending?.reason, 'go solo')
    active.process?.arrive(0, () => {
      conductor.switchover(error => told.push(error?.code))
      // As if the share had answered the peer's question still.
      conductor.question.answered({ number: 1, able: 'yes', reason: '' })
    })
    for (let n = 0; n < 40; n++) {
      pair.run(STEP_MS)
      assert.equal(conductor.handover.isOffered, false)
    }
    world.share.release()
    pair.until('the switchover has failed', () => told.length > 0)
    assert.ok(['STANDALONE', 'ACTIVE SYNC'].includes(conductor.role), conductor.role)
    assert.equal(active.server?.port.isOpen, true)
    assert.deepEqual(told, ['HA-HANDOVER-FAILED'])
  })

  it('follows from where its reign ended, also where only the register told it of that', () => {
    const pair = new Pair('told by the register')
    const { active, passive, world } = pair
    const conductor = pair.conductor(active)
    world.network.slow(active.place, passive.place, 50)
    active.process?.arrive(0, () => conductor.switchover(() => {}))
    pair.until('its reign is offered', () => conductor.handover.isOffered)
    world.network.cut(passive.place, active.place)
    pair.until('the peer serves', () => pair.role(passive) === 'ACTIVE' && pair.conductor(passive).sensors.hasLock)
    world.share.hung = true
    pair.until('the offer is taken back', () => !conductor.handover.releasing)
    world.network.slow(active.place, passive.place, 0)
    pair.healPeers()
    pair.until('the channel is up', () => conductor.peer.role === 'ACTIVE')
    world.share.release()
    pair.until('the register has told', () => pair.role(active) === 'PASSIVE')
    const { receiver, journal } = active.server!
    const { sequence } = journal.last
    pair.until('it follows', () => receiver.following > 0 && receiver.applied > sequence + 20)
  })

  it('says from which moment on it would not take over, and why it does not, where the gateway is away', () => {
    const pair = new Pair('no gateway')
    const { active, passive, world } = pair
    const conductor = pair.conductor(passive)
    const codes = () => conductor.notes.events.list().map(event => event.code)
    const shown = () => [
      unprotectedBy(conductor.role, conductor.observation).join(),
      blockedBy(conductor.role, conductor.observation, conductor.sensors.relation).join(),
    ]
    pair.run(LONG_MS / 10)
    assert.deepEqual(shown(), ['', ''])
    world.network.gatewayUp = false
    pair.until('the loss is told', () => codes().includes('HA-GATEWAY-LOST'))
    assert.deepEqual(shown(), ['the gateway does not answer: this server would not take over', ''])
    active.wanted = false
    active.crash()
    pair.until('what follows is told', () => codes().includes('HA-CUT-OFF'))
    pair.run(LONG_MS / 2)
    assert.equal(conductor.role, 'PASSIVE')
    assert.match(shown()[1] ?? '', /^neither the peer nor the gateway can be reached/)
    world.gatewayBack()
    pair.until('it serves', () => conductor.role === 'STANDALONE')
    world.network.gatewayUp = false
    pair.until('the loss is told', () => codes().at(-1)?.startsWith('HA-') ?? false)
    assert.equal(codes().at(-1), 'HA-GATEWAY-LOST', 'one that serves is not cut off')
  })

  it('is not called protected where it could not take over at once', () => {
    const pair = new Pair('not protected')
    const { active, passive } = pair
    const { observation } = pair.conductor(passive)
    for (const role of ['WAITING', 'PASSIVE SYNC'] as const) assert.equal(unprotectedBy(role, observation).length, 1)
    assert.equal(unprotectedBy('PASSIVE', observation, { ...ALL_WELL, shareFault: 'LOCK-FULL' }).length, 1, 'the share')
    active.wanted = false
    active.crash()
    pair.until('it is missed', () => pair.conductor(passive).observation.peer === 'DEAD')
    assert.deepEqual(unprotectedBy('PASSIVE', pair.conductor(passive).observation), ['the active server is gone'])
  })

  it('says of a gateway that never answered that it does not', () => {
    const world = new World('never', true)
    world.network.gatewayUp = false
    world.start()
    const { timeline } = world
    const said = () =>
      world.a.server?.conductor.notes.events
        .list()
        .some(event => event.code === 'HA-CUT-OFF' || event.code === 'HA-GATEWAY-LOST')
    while (timeline.now < LONG_MS && said() !== true) timeline.run(timeline.now + STEP_MS)
    assert.equal(said(), true)
  })

  it('does not wait for ever where its journal could not be read for taking over', () => {
    const pair = new Pair('unreadable')
    const { active, passive } = pair
    pair.run(2000)
    active.wanted = false
    active.crash()
    passive.killBroker()
    pair.until('it is there again', () => pair.role(passive) === 'WAITING')
    const { starts, server } = passive
    assert.ok(server)
    const error = Object.assign(new Error('EIO: input/output error, read'), { code: 'EIO' })
    server.journal.read = (_from, _bytes, done) => passive.process?.soon(() => done(error, null))
    pair.until('it serves', () => pair.role(passive) === 'STANDALONE')
    assert.equal(passive.starts, starts + 1, 'a disk that failed is looked at from the beginning')
  })

  it('knows since when it is in its role: from the start on, and after however much else has happened', () => {
    const pair = new Pair('since')
    const { active, passive } = pair
    const { acts, notes } = pair.conductor(active)
    const since = acts.sinceWallMs
    assert.equal(since, notes.events.list().findLast(({ kind }) => kind === 'role')?.wallMs)
    for (let n = 0; n < 1000; n++) notes.note('lock', 'info', 'again')
    assert.equal(acts.sinceWallMs, since)
    pair.cutPeers()
    // Of its own clock: the two machines' times of day differ.
    const before = pair.conductor(passive).acts.sinceWallMs
    passive.killBroker()
    pair.until('it is there again', () => passive.server !== null)
    assert.equal(pair.role(passive), 'WAITING')
    assert.ok(pair.conductor(passive).acts.sinceWallMs > before)
  })

  it('ends a keeper that is frozen, after a lease: the peer takes over, and the server comes back', () => {
    const pair = new Pair('frozen keeper')
    const { active, passive } = pair
    const { leaseMs } = pair.world.setting.intervals
    const codes = () => pair.story()
    active.freeze('keeper')
    pair.until('its silence is told', () => codes().includes('HA-KEEPER-SILENT'), leaseMs * 0.75)
    assert.equal(pair.role(active), 'ACTIVE')
    const { observation, sensors } = pair.conductor(active)
    const known = { ...ALL_WELL, keeperSilent: sensors.keeperFault !== null }
    assert.match(blockedBy('ACTIVE', observation, sensors.relation, known)[0] ?? '', /no sign/)
    pair.until('the passive server serves', () => pair.role(passive) !== 'PASSIVE', leaseMs * 0.75)
    assert.equal(pair.role(passive), 'ACTIVE', pair.story())
    pair.until('the pair is whole again', () => pair.role(active) === 'PASSIVE')
  })

  it('does not wait for a frozen keeper where nobody else may serve', () => {
    const pair = new Pair('frozen keeper alone')
    const { active, passive, world } = pair
    passive.wanted = false
    passive.crash()
    pair.until('it serves alone', () => pair.role(active) === 'STANDALONE')
    const { starts } = active
    active.freeze('keeper')
    pair.until('its lease is over', () => pair.role(active) !== 'STANDALONE')
    pair.until('it serves again', () => pair.role(active) === 'STANDALONE', world.setting.graceMs + 30_000)
    assert.equal(active.starts, starts + 1)
  })

  it('hands over by itself where for two leases only its peer has reached the LockFile, and then keeps calm', () => {
    const pair = new Pair('only the peer')
    const { active, passive, world } = pair
    const { timeline, network } = world
    const { leaseMs } = world.setting.intervals
    const cut = (from: Machine) => {
      network.cut(from.place, 'G')
      network.cut('G', from.place)
    }
    const heal = (from: Machine) => {
      network.heal(from.place, 'G')
      network.heal('G', from.place)
    }
    const flicker = timeline.now
    cut(active)
    pair.run(2 * leaseMs)
    heal(active)
    pair.until('the lock is held again', () => pair.conductor(active).observation.lock === 'held')
    assert.equal(pair.role(active), 'ACTIVE', `${timeline.now - flicker} ms are no reason: ${pair.story()}`)
    const at = timeline.now
    cut(active)
    pair.until('it is handed over', () => pair.role(passive) === 'ACTIVE', 4 * leaseMs)
    assert.ok(timeline.now - at > 2 * leaseMs, 'not at once')
    assert.match(pair.story(), /Handing over to the peer: .* \[H2\]/)
    pair.until('the lock is held there', () => pair.conductor(passive).observation.lock === 'held')
    heal(active)
    pair.run(2 * leaseMs)
    assert.equal(pair.roles(), passive === world.a ? 'ACTIVE/PASSIVE' : 'PASSIVE/ACTIVE', 'roles do not swing back')
    const again = timeline.now
    cut(passive)
    pair.until('the other way round too', () => pair.role(active) === 'ACTIVE', 20 * leaseMs)
    assert.ok(timeline.now - at > 10 * leaseMs && timeline.now - again > 2 * leaseMs, 'but not too often')
  })

  it('goes on where the peer does not reach the LockFile either', () => {
    const pair = new Pair('neither')
    const { active, world } = pair
    for (const { place } of world.machines) {
      world.network.cut(place, 'G')
      world.network.cut('G', place)
    }
    pair.run(10 * world.setting.intervals.leaseMs)
    assert.equal(pair.role(active), 'ACTIVE')
    assert.doesNotMatch(pair.story(), /Handing over/)
  })

  it('knows as follower how far its peer is, and how old that is', () => {
    const pair = new Pair('where')
    const { active, passive, world } = pair
    const { pingMs } = world.setting.intervals
    pair.run(20_000)
    const { gate } = active.server ?? {}
    const where = () => {
      const { peer } = pair.conductor(passive)
      return peer.where(passive.server?.receiver.following ?? 0, passive.process?.now() ?? 0)
    }
    assert.ok(gate && gate.committed > 10, 'clients were at work')
    const before = gate.committed
    pair.until('it has been told', () => (where()?.sequence ?? 0) >= before, 3 * pingMs)
    assert.equal(where()?.epoch, pair.conductor(active).reign.now?.epoch)
    assert.ok((where()?.ageMs ?? Infinity) <= 2 * pingMs)
    active.freeze('both')
    const age = where()?.ageMs ?? 0
    pair.run(pingMs)
    assert.ok((where()?.ageMs ?? 0) >= age + pingMs * 0.9, 'what is not said anew grows old')
    pair.until('the channel is down', () => pair.conductor(passive).peer.role === 'DEAD')
    assert.equal(where(), null)
    assert.equal(pair.conductor(passive).roundTripMs, null)
  })
})
