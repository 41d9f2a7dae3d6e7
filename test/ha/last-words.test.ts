// A server that gives its reign away, by a handover or a goodbye, acts no more when the frame that says so leaves; and what
// was offered is taken back only by a record.

import assert from 'node:assert/strict'
import { frameMoment } from '../../src/simulation/faults.ts'
import type { Machine } from '../../src/simulation/machine.ts'
import { World } from '../../src/simulation/world.ts'

const UP_MS = 8000

class Pair {
  readonly world: World
  readonly active: Machine
  readonly passive: Machine

  constructor(seed: string) {
    this.world = new World(seed, true)
    this.world.start()
    this.run(UP_MS)
    const { machines } = this.world
    const is = (role: string) => machines.find(({ server }) => server?.conductor.role === role)
    const [active, passive] = [is('ACTIVE'), is('PASSIVE')]
    assert.ok(active && passive)
    this.active = active
    this.passive = passive
  }

  run(ms: number): void {
    const { timeline } = this.world
    timeline.run(timeline.now + ms, () => this.world.failure !== null)
    assert.ifError(this.world.failure)
  }

  /** When the offer leaves, nothing answers it and the share hangs: too late for the passive server to say so. */
  failTaking(): void {
    const { network, share } = this.world
    const { onFrame } = network
    network.onFrame = number => {
      if (frameMoment.get(number) === 'HANDOVER') {
        share.hung = true
        this.passive.process?.arrive(0, () => this.passive.server?.receiver.stop())
      }
      onFrame(number)
    }
  }

  /** What the active server may still do at the moment at which it sends this frame, in words. */
  actsWith(frame: string, act: (machine: Machine) => void): string[] {
    const { network } = this.world
    const found: string[] = []
    const server = this.active.server
    assert.ok(server)
    const { onFrame } = network
    network.onFrame = number => {
      if (frameMoment.get(number) === frame)
        found.push(`${server.gate.mode}, port ${server.port.isOpen ? 'open' : 'closed'}`)
      onFrame(number)
    }
    this.active.process?.arrive(0, () => act(this.active))
    for (let n = 0; n < 400 && found.length === 0; n++) this.run(5)
    network.onFrame = onFrame
    return found
  }
}

describe('the last words of a reign', function () {
  this.timeout(60_000)

  it('an offer leaves when nothing is acknowledged or delivered any more', () => {
    const pair = new Pair('offer')
    assert.deepEqual(
      pair.actsWith('HANDOVER', ({ server }) => server?.conductor.switchover(() => {})),
      ['frozen, port closed'],
    )
  })

  it('a goodbye, too, where no passive server takes over first', () => {
    const pair = new Pair('goodbye')
    const { active, passive, world } = pair
    world.network.slow(active.place, passive.place, 50)
    passive.killBroker()
    for (let n = 0; n < 20_000 && active.server?.conductor.role !== 'ACTIVE SYNC'; n++) pair.run(1)
    active.wanted = false
    assert.deepEqual(
      pair.actsWith('BYE', ({ server }) => server?.conductor.departure.stop(() => {}, true)),
      ['frozen, port closed'],
    )
  })

  it('an offer that is taken back counts as given until the record of that is there', () => {
    const pair = new Pair('taken back')
    const { world, active } = pair
    const server = active.server
    assert.ok(server)
    const { conductor } = server
    pair.failTaking()
    active.process?.arrive(0, () => conductor.switchover(() => {}))
    for (let n = 0; n < 1000 && !conductor.handover.isOffered; n++) pair.run(5)
    for (let n = 0; n < 400; n++) {
      assert.equal(server.gate.mode, 'frozen')
      assert.equal(server.port.isOpen, false)
      pair.run(1)
    }
    assert.equal(conductor.handover.releasing, false, 'it is taken back')
    world.share.release()
    for (let n = 0; n < 1000 && server.gate.mode === 'frozen'; n++) pair.run(5)
    assert.equal(conductor.reign.now?.record.reason, 'resume')
  })
})
