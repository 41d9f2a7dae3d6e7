// Does to the simulated world what a fault says, at its time, and ends it again. In act two nothing strikes any more.

import type { Intervals } from '../profiles/intervals.ts'
import type { Account } from './account.ts'
import type { Dice } from './dice.ts'
import type { Deed, Fault, Target } from './faults.ts'
import type { Machine } from './machine.ts'
import type { Network } from './network.ts'
import type { Share } from './share.ts'
import type { Timeline } from './timeline.ts'
import type { Watch } from './watch.ts'

/** The world as faults see it. */
interface Stricken {
  readonly timeline: Timeline
  readonly dice: Dice
  readonly network: Network
  readonly share: Share
  readonly watch: Watch
  readonly account: Account
  readonly a: Machine
  readonly b: Machine
  readonly setting: { readonly intervals: Pick<Intervals, 'leaseMs' | 'marginMs'> }
  givenUp: string
  say(where: string, text: string): void
  struck(kind: string): void
  damaged(machine: Machine): void
  shareLost(operations: number): void
  gatewayBack(): void
  rollBack(ageMs: number): void
}

export class Inflictor {
  readonly #world: Stricken
  #over = false
  /** The last sleep of each machine, and by how much its clock was last set back. */
  readonly #slept = new Map<Machine, { readonly at: number; readonly ms: number }>()
  readonly #setBack = new Map<Machine, { readonly at: number; readonly ms: number }>()
  /** Faults that wait for their moment. */
  #waiting: { readonly fault: Fault; readonly moment: string }[] = []

  constructor(world: Stricken) {
    this.#world = world
  }

  schedule(faults: readonly Fault[]): void {
    const { timeline } = this.#world
    for (const fault of faults)
      timeline.after(fault.at - timeline.now, () => {
        if (this.#over) return
        if (fault.when === null) this.#strike(fault)
        else this.#waiting.push({ fault, moment: fault.when })
      })
  }

  /** Something has just happened that a fault may wait for. It strikes right after. */
  moment(name: string): void {
    if (this.#waiting.length === 0) return
    const now = this.#waiting.filter(({ moment }) => moment === name)
    if (now.length === 0) return
    this.#waiting = this.#waiting.filter(({ moment }) => moment !== name)
    const { timeline, dice } = this.#world
    for (const { fault } of now) timeline.after(dice.likely(0.5) ? 0 : dice.stretch(0.01, 5), () => this.#strike(fault))
  }

  end(): void {
    this.#over = true
    this.#waiting = []
  }

  #strike(fault: Fault): void {
    if (this.#over) return
    this.#world.say('*', `${fault.deed.kind}: ${JSON.stringify(fault.deed)}`)
    this.#world.struck(fault.deed.kind)
    this.#do(fault.deed)
  }

  /** Assumption A4 is broken where a wall clock does not show that its machine slept. */
  #mayHideSleep(machine: Machine): void {
    const [slept, setBack] = [this.#slept.get(machine), this.#setBack.get(machine)]
    if (slept === undefined || setBack === undefined) return
    const { leaseMs, marginMs } = this.#world.setting.intervals
    const apart = Math.abs(slept.at - setBack.at)
    if (apart < leaseMs + slept.ms && slept.ms > marginMs && slept.ms - setBack.ms <= marginMs)
      this.#world.givenUp = `the ${machine.label}’s clock was set back by as much as its machine slept (A4)`
  }

  #machine(target: Target): Machine {
    const { a, b } = this.#world
    if (target === 'A') return a
    if (target === 'B') return b
    const active = b.server?.port.isOpen === true && a.server?.port.isOpen !== true ? b : a
    return (target === 'active') === (active === a) ? a : b
  }

  #later(ms: number, fn: () => void): void {
    this.#world.timeline.after(ms, () => {
      if (!this.#over) fn()
    })
  }

  #do(deed: Deed): void {
    const { network, share, dice, watch } = this.#world
    switch (deed.kind) {
      case 'kill': {
        const machine = this.#machine(deed.target)
        if (deed.who !== 'keeper') machine.killBroker()
        if (deed.who !== 'broker') machine.killKeeper()
        return
      }
      case 'crash': {
        const machine = this.#machine(deed.target)
        machine.crash()
        return this.#later(deed.lasts, () => machine.boot())
      }
      case 'crash at write': {
        const machine = this.#machine(deed.target)
        const { disk } = machine
        disk.stopAt = disk.operations + deed.operations
        disk.onStop = () => {
          machine.crash()
          this.#later(deed.lasts, () => machine.boot())
        }
        return
      }
      case 'freeze': {
        const machine = this.#machine(deed.target)
        const frozen = [
          ...(deed.who !== 'keeper' && machine.broker ? [machine.broker.process] : []),
          ...(deed.who !== 'broker' && machine.keeper ? [machine.keeper.process] : []),
        ]
        for (const process of frozen) process.freeze()
        return this.#later(deed.lasts, () => {
          for (const process of frozen) process.thaw()
        })
      }
      case 'sleep': {
        const machine = this.#machine(deed.target)
        machine.sleep()
        this.#slept.set(machine, { at: this.#world.timeline.now, ms: deed.lasts })
        this.#mayHideSleep(machine)
        return this.#later(deed.lasts, () => machine.wake())
      }
      case 'cut':
        for (const [from, to] of deed.links) network.cut(from, to)
        return this.#later(deed.lasts, () => {
          for (const [from, to] of deed.links) network.heal(from, to)
        })
      case 'slow':
        network.slow(deed.from, deed.to, deed.ms)
        return this.#later(deed.lasts, () => network.slow(deed.from, deed.to, 0))
      case 'share hangs':
        share.hung = true
        return this.#later(deed.lasts, () => share.release())
      case 'share fails':
        share.failing = {
          probability: deed.probability,
          executed: deed.executed,
          codes: ['EIO', 'EAGAIN', 'ETIMEDOUT', 'ESTALE', 'EACCES', 'ENOSPC'],
        }
        return this.#later(deed.lasts, () => {
          share.failing = null
        })
      case 'gateway crashes':
        if (!network.gatewayUp) return
        network.gatewayUp = false
        this.#world.shareLost(share.tree.crash(dice))
        return this.#later(deed.lasts, () => this.#world.gatewayBack())
      case 'share rolled back':
        return this.#world.rollBack(deed.ageMs)
      case 'disk full': {
        const machine = this.#machine(deed.target)
        machine.disk.capacity = machine.disk.used + deed.room
        return this.#later(deed.lasts, () => {
          machine.disk.capacity = Infinity
        })
      }
      case 'flush fails': {
        const machine = this.#machine(deed.target)
        const { disk } = machine
        disk.fault = operation => {
          if (operation !== 'flush') return null
          disk.fault = () => null
          return Object.assign(new Error('EIO: input/output error, fdatasync'), { code: 'EIO' })
        }
        return
      }
      case 'bit flips': {
        const machine = this.#machine(deed.target)
        const names = machine.disk.list().filter(name => name !== 'store.json')
        const name = names[Math.floor(deed.place * names.length)]
        if (name === undefined) return
        const size = machine.disk.size(name)
        if (size > 0)
          machine.disk.flip(
            name,
            Math.floor(((deed.place * 7919) % 1) * size),
            1 << Math.floor((deed.place * 104_729) % 8),
          )
        this.#world.damaged(machine)
        return
      }
      case 'clock jumps': {
        const machine = this.#machine(deed.target)
        machine.clock.jump(deed.ms)
        if (deed.ms < 0) this.#setBack.set(machine, { at: this.#world.timeline.now, ms: -deed.ms })
        return this.#mayHideSleep(machine)
      }
      case 'switchover': {
        const { process, server } = this.#machine('active')
        return process?.arrive(0, () => server?.conductor.switchover(() => {}))
      }
      case 'stop': {
        const machine = this.#machine(deed.target)
        machine.stop()
        return this.#later(deed.lasts, () => {
          machine.wanted = true
          machine.start()
        })
      }
      case 'force active': {
        const { process, server } = this.#machine(deed.target)
        return process?.arrive(0, () => {
          if (server === null || server.conductor.forceActive('the operator says so') !== null) return
          watch.excuse('an operator forced a server')
          this.#world.account.excuse()
        })
      }
    }
  }
}
