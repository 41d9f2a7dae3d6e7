// The files beside the LockFile are deleted under a running pair: what its servers say of themselves, and the operator's
// ways on from there once one of them is gone.

import assert from 'node:assert/strict'
import { blockedBy, unprotectedBy, type Circumstances } from '../../src/ha/explain.ts'
import type { Machine } from '../../src/simulation/machine.ts'
import { ShareTree } from '../../src/simulation/share-tree.ts'
import { Pair } from './pair-ground.ts'

const WENT_BACK = 'LOCK-ROLLED-BACK'

/** What `lockstep status --why` says of one server. */
function said(pair: Pair, machine: Machine): { blocked: string; unprotected: string } {
  const { role, observation, sensors, peer, handover } = pair.conductor(machine)
  const known: Circumstances = {
    shareFault: sensors.news.fault?.code ?? null,
    keeperSilent: sensors.keeperFault !== null,
    peerSeen: peer.seen,
    handover: handover.blocks,
  }
  return {
    blocked: blockedBy(role, observation, sensors.relation, known).join('\n'),
    unprotected: unprotectedBy(role, observation, known).join('\n'),
  }
}

/** Both servers have seen that everything is gone, and the active one holds the lock on a folder that it made anew. */
function deleted(seed: string): Pair {
  const pair = new Pair(seed)
  const { world, active } = pair
  pair.run(2000)
  world.share.tree.restore(new ShareTree().copy())
  world.rolledBack = world.watch.rolledBack = true
  for (const machine of world.machines)
    pair.until('it is noticed', () => pair.conductor(machine).sensors.news.fault?.code === WENT_BACK)
  pair.until('the lock is held again', () => pair.conductor(active).observation.lock === 'held')
  return pair
}

const gone = (machine: Machine): void => {
  machine.wanted = false
  machine.crash()
}

describe('a LockFile that was deleted under a running pair', function () {
  this.timeout(60_000)

  it('leaves neither server protected, also the one that holds the lock: without the other the service ends', () => {
    const pair = deleted('unprotected')
    const { active, passive } = pair
    assert.match(said(pair, active).unprotected, /^the register .* went back \(LOCK-ROLLED-BACK\): without its peer/)
    assert.match(said(pair, passive).unprotected, /^the register .* went back .*: this server could not take over$/)
    for (const machine of [active, passive]) assert.equal(said(pair, machine).blocked, '', 'the pair goes on')
    gone(passive)
    pair.until('its loss is noticed', () => pair.conductor(active).observation.peer === 'DEAD')
    pair.run(1000)
    const { gate } = active.server ?? {}
    const { committed } = gate ?? {}
    pair.run(20_000)
    assert.equal(gate?.committed, committed, 'nothing is acknowledged')
    assert.match(said(pair, active).blocked, /^the peer is gone, and the record .* is not written: .*\nthe register .*/)
    assert.match(said(pair, active).unprotected, /^there is no peer in sync/)
  })

  it('blocks a passive server that has lost its peer, though it gets the lock, and says so', () => {
    const pair = deleted('blocked')
    const { active, passive } = pair
    gone(active)
    pair.until('the lock is held', () => pair.conductor(passive).observation.lock === 'held')
    pair.run(20_000)
    assert.equal(pair.role(passive), 'PASSIVE')
    assert.match(said(pair, passive).blocked, /^the register .* went back .* docs\/operations\.md \(The share\)/)
    assert.doesNotMatch(said(pair, passive).unprotected, /take the lock/)
  })

  it('is no end for a passive server that has lost its peer: forced, it serves with everything acknowledged', () => {
    const pair = deleted('forced')
    const { active, passive, world } = pair
    assert.equal(pair.conductor(passive).forceActive('its peer serves')?.code, 'HA-NOT-FORCIBLE')
    active.wanted = false
    active.process?.arrive(0, () => pair.conductor(active).departure.stop(() => {}, true))
    pair.until('the active server has left', () => active.server === null)
    pair.until('it is missed', () => pair.conductor(passive).observation.peer === 'DEAD')
    pair.until('its fault is told', () => pair.conductor(passive).sensors.news.fault?.code === WENT_BACK)
    const { acknowledged } = world.account
    // Nothing is excused here: this copy is the one in sync.
    world.watch.onForced = () => {}
    assert.ok(acknowledged > 0)
    assert.equal(pair.conductor(passive).forceActive('the files are gone'), null)
    pair.until('it serves', () => pair.role(passive) === 'STANDALONE')
    assert.equal(pair.conductor(passive).sensors.forced, '')
    active.wanted = true
    active.start()
    pair.until('the pair is whole', () => pair.role(passive) === 'ACTIVE' && pair.role(active) === 'PASSIVE')
    assert.deepEqual(said(pair, passive), { blocked: '', unprotected: '' })
    for (const consumer of world.consumers) consumer.thorough = true
    for (const producer of world.producers) producer.stopped = true
    pair.until('all is consumed', () => world.account.missing().length === 0)
    assert.ok(world.account.acknowledged >= acknowledged)
  })

  it('has to be: a passive server that takes over by itself is not forced', () => {
    const pair = new Pair('not deleted')
    const { active, passive } = pair
    gone(active)
    pair.until('it is missed', () => pair.conductor(passive).observation.peer === 'DEAD')
    assert.equal(pair.conductor(passive).forceActive('sooner')?.code, 'HA-NOT-FORCIBLE')
    pair.until('it serves', () => pair.role(passive) === 'STANDALONE')
  })

  it('does not make an order last that a passive server could not carry out', () => {
    const pair = deleted('lapses')
    const { active, passive, world } = pair
    gone(active)
    pair.until('it is missed', () => pair.conductor(passive).observation.peer === 'DEAD')
    world.share.hung = true
    assert.equal(pair.conductor(passive).forceActive('the files are gone'), null)
    pair.run(61_000)
    assert.equal(pair.conductor(passive).sensors.forced, '')
  })

  it('is no end where the passive server is stopped first, either: the other one is restarted, and forced', () => {
    const pair = deleted('the active one is kept')
    const { active, passive } = pair
    gone(passive)
    pair.until('its loss is noticed', () => pair.conductor(active).observation.peer === 'DEAD')
    assert.equal(pair.conductor(active).forceActive('it holds everything')?.code, 'HA-NOT-FORCIBLE')
    active.killBroker()
    pair.until('it is there again', () => pair.role(active) === 'WAITING')
    assert.equal(pair.conductor(active).forceActive('it holds everything'), null)
    pair.until('it serves', () => pair.role(active) === 'STANDALONE')
  })
})
