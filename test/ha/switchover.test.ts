// What an operator asks for while the LockFile is out of reach: a switchover or a stop that would end the service is
// refused, and clients notice nothing of it.

import assert from 'node:assert/strict'
import { frameMoment } from '../../src/simulation/faults.ts'
import type { Machine } from '../../src/simulation/machine.ts'
import { Pair } from './pair-ground.ts'

/** Asks, and runs until the answer is there. At no moment meanwhile does the active server serve less. */
function asked(pair: Pair, what: (machine: Machine, told: (code: string | null) => void) => void): string | null {
  const { active } = pair
  const { server } = active
  assert.ok(server)
  let answer: string | null | undefined
  active.process?.arrive(0, () => what(active, code => (answer = code)))
  pair.until('it is answered', () => {
    assert.notEqual(server.gate.mode, 'frozen')
    assert.ok(server.port.isOpen && !server.port.paused, 'clients are served as before')
    return answer !== undefined
  })
  assert.equal(pair.role(active), 'ACTIVE')
  return answer ?? null
}

const switchover = (pair: Pair) =>
  asked(pair, (machine, told) => machine.server?.conductor.switchover(error => told(error?.code ?? null)))
const stop = (pair: Pair) =>
  asked(pair, (machine, told) => machine.server?.conductor.departure.stop(error => told(error?.code ?? null), false))

describe('an operator’s order while the LockFile is out of reach', function () {
  this.timeout(60_000)

  for (const [when, waitMs] of [
    ['just now, so that nobody has noticed yet', 0],
    ['for a while', 10_000],
  ] as const) {
    it(`a switchover is refused where the share hangs, ${when}; once it answers it comes about`, () => {
      const pair = new Pair(`hung ${waitMs}`)
      const { active, passive, world } = pair
      world.share.hung = true
      pair.run(waitMs)
      assert.equal(switchover(pair), 'HA-HANDOVER-REFUSED')
      world.share.release()
      pair.run(1000)
      let told: unknown
      active.process?.arrive(0, () => pair.conductor(active).switchover(error => (told = error)))
      pair.until('it has come about', () => told !== undefined)
      assert.equal(told, null)
      assert.deepEqual([pair.role(active), pair.role(passive)], ['PASSIVE', 'ACTIVE'])
    })

    it(`a stop is refused where the share hangs, ${when}`, () => {
      const pair = new Pair(`stop ${waitMs}`)
      const { active, world } = pair
      world.share.hung = true
      pair.run(waitMs)
      assert.equal(stop(pair), 'HA-STOP-UNCOVERED')
      pair.run(20_000)
      assert.equal(pair.role(active), 'ACTIVE')
      assert.equal(active.server?.port.isOpen, true)
    })
  }

  it('a stop is carried out where it was said that nobody need serve, and where that is said while the other is asked', () => {
    for (const first of [true, false]) {
      const pair = new Pair('anyway')
      const { active, world } = pair
      world.share.hung = true
      const told: unknown[] = []
      active.wanted = false
      active.process?.arrive(0, () => {
        const { departure } = pair.conductor(active)
        if (!first) departure.stop(error => told.push(error), false)
        departure.stop(error => told.push(error), true)
      })
      pair.until('it has ended', () => active.server === null)
      assert.deepEqual(told, first ? [null] : [null, null])
    }
  })

  for (const [when, lost] of [
    ['just now', false],
    ['for so long that the lock is lost', true],
  ] as const)
    it(`a passive server stays, too, whose active one could not write that it goes on alone: the share hangs, ${when}`, () => {
      const pair = new Pair(`passive stop ${lost}`)
      const { active, passive, world } = pair
      const stop = (): string | null | undefined => {
        let told: string | null | undefined
        const { departure } = pair.conductor(passive)
        passive.process?.arrive(0, () => departure.stop(error => (told = error?.code ?? null), false))
        pair.until('it is answered', () => told !== undefined)
        return told
      }
      world.share.hung = true
      if (lost) pair.until('the lock is lost', () => pair.conductor(passive).peer.state?.lock === false)
      assert.equal(stop(), 'HA-STOP-UNCOVERED')
      assert.deepEqual([pair.role(active), pair.role(passive)], ['ACTIVE', 'PASSIVE'])
      world.share.release()
      // What was given up must come back first.
      pair.run(1000)
      pair.until('the lock is there', () => pair.conductor(passive).peer.state?.lock === true)
      passive.wanted = false
      assert.equal(stop(), null)
      pair.until('the other one serves alone', () => pair.role(active) === 'STANDALONE')
    })

  it('goes on where the other one tried to take over and was too late: it follows again, on the same channel', () => {
    let resumed = 0
    for (let n = 0; n < 16; n++) {
      const pair = new Pair(`too late ${n}`)
      const { active, passive, world } = pair
      const { network, share } = world
      const { onFrame } = network
      network.onFrame = number => {
        if (frameMoment.get(number) === 'HANDOVER') share.hung = true
        onFrame(number)
      }
      const conductor = pair.conductor(active)
      let told = false
      active.process?.arrive(0, () => conductor.switchover(() => (told = true)))
      pair.until('it is taken back', () => conductor.handover.isOffered && !conductor.handover.releasing)
      network.onFrame = onFrame
      const channels = world.lines.filter(line => line.includes('Back channel')).length
      share.release()
      pair.until('it is decided', () => told)
      if (conductor.reign.now?.record.reason !== 'resume') continue
      resumed++
      pair.until(
        'the other one follows',
        () => (passive.server?.receiver.following ?? 0) > 0 && passive.server?.conductor.reign.pending === null,
      )
      pair.run(5000)
      assert.deepEqual([conductor.role, pair.role(passive)], ['ACTIVE', 'PASSIVE'])
      assert.equal(conductor.acts.roleChanges, 2, 'it has been ACTIVE all along')
      assert.equal(world.lines.filter(line => line.includes('Back channel')).length, channels)
    }
    assert.ok(resumed > 3, `${resumed} offers taken back`)
  })

  it('says what blocks where the share hangs just after the offer, and goes on when it answers', () => {
    const pair = new Pair('after the offer')
    const { active, world } = pair
    const { handover } = pair.conductor(active)
    assert.equal(handover.blocks, null)
    pair.failTaking()
    active.process?.arrive(0, () => pair.conductor(active).switchover(() => {}))
    pair.until('it is taken back', () => handover.isOffered && !handover.releasing)
    assert.match(handover.blocks ?? '', /^a handover is under way/)
    world.share.release()
    pair.until('it goes on', () => active.server?.port.isOpen === true)
    assert.equal(handover.blocks, null)
  })
})
