// One pair's conductors over the simulated world, brought by hand into situations that chance seldom makes.

import assert from 'node:assert/strict'
import type { Conductor } from '../../src/ha/conductor.ts'
import { frameMoment } from '../../src/simulation/faults.ts'
import type { Machine } from '../../src/simulation/machine.ts'
import { World } from '../../src/simulation/world.ts'

export const STEP_MS = 5
export const LONG_MS = 60_000

export class Pair {
  readonly world: World

  constructor(seed: string) {
    this.world = new World(seed, true)
    this.world.start()
    this.until(
      'the pair is up',
      () => this.role(this.active) === 'ACTIVE' && this.conductor(this.active).peer.role === 'PASSIVE',
    )
  }

  conductor(machine: Machine): Conductor {
    assert.ok(machine.server, `${machine.place} runs`)
    return machine.server.conductor
  }

  role(machine: Machine): string {
    return machine.server?.conductor.role ?? 'DEAD'
  }

  roles(): string {
    return `${this.role(this.world.a)}/${this.role(this.world.b)}`
  }

  get active(): Machine {
    return this.role(this.world.a) === 'ACTIVE' ? this.world.a : this.world.b
  }

  get passive(): Machine {
    return this.active === this.world.a ? this.world.b : this.world.a
  }

  run(ms: number): void {
    const { timeline } = this.world
    timeline.run(timeline.now + ms, () => this.world.failure !== null)
    assert.ifError(this.world.failure)
  }

  until(what: string, condition: () => boolean, limitMs = LONG_MS): void {
    const end = this.world.timeline.now + limitMs
    while (!condition()) {
      assert.ok(this.world.timeline.now < end, `${what}: not within ${limitMs} ms (${this.roles()})\n${this.story()}`)
      this.run(STEP_MS)
    }
  }

  /** When the offer of a reign leaves, the share hangs and nobody takes it: too late for the passive server to say so. */
  failTaking(): void {
    const { network, share } = this.world
    const { passive } = this
    const { onFrame } = network
    network.onFrame = number => {
      if (frameMoment.get(number) === 'HANDOVER') {
        share.hung = true
        passive.process?.arrive(0, () => passive.server?.receiver.stop())
      }
      onFrame(number)
    }
  }

  cutPeers(): void {
    this.world.network.cut('A', 'B')
    this.world.network.cut('B', 'A')
  }

  healPeers(): void {
    this.world.network.heal('A', 'B')
    this.world.network.heal('B', 'A')
  }

  story(): string {
    return this.world.lines.slice(-40).join('\n')
  }
}
