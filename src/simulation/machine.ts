// One of the two servers' machines: its clock, disk, keeper and broker processes, as the operating system and a supervisor
// see them. The supervision is that of src/server/broker-process.ts and keeper-process.ts: keep them alike.

import { CodedError } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import type { FromKeeper, KeeperLink, ToKeeper } from '../ha/keeper-link.ts'
import { Keeper } from '../ha/keeper.ts'
import { Lease } from '../ha/lease.ts'
import { directLock } from '../ha/lock-port.ts'
import type { ServerLabel } from '../ha/record.ts'
import { Register } from '../ha/register.ts'
import type { Account } from './account.ts'
import { LOCK_FILE, startBroker, type SimulatedBroker } from './broker.ts'
import type { Address } from './clients.ts'
import { chanceOf, type Dice } from './dice.ts'
import { MachineStopped, MemoryDisk } from './disk.ts'
import { spillOf } from './spill.ts'
import type { Network, Place } from './network.ts'
import type { Setting } from './setting.ts'
import type { Share } from './share.ts'
import { MachineClock, Process, type Timeline } from './timeline.ts'
import type { Watch } from './watch.ts'

const PIPE_MS = 0.1
const FORK_MS = 40
const REAP_MS = 0.5
/** For the goodbye and the last lines to leave. */
const LAST_WORDS_MS = 100
const STOP_LIMIT_MS = 15_000

export interface MachineOf {
  readonly place: Place
  readonly label: ServerLabel
  readonly timeline: Timeline
  readonly network: Network
  readonly share: Share
  readonly setting: Setting
  readonly watch: Watch
  readonly account: Account
  readonly dice: Dice
  readonly drift: number
  readonly log: (place: Place, who: string, level: string, line: string) => void
  /** A violation, or an error that is none of the world's: the run is over. */
  readonly failed: (error: unknown) => void
}

interface BrokerProcess {
  readonly process: Process
  readonly parent: KeeperProcess
  server: SimulatedBroker | null
  link: KeeperLink | null
  /** What the keeper said before the broker listens; null from then on. */
  early: FromKeeper[] | null
  /** The keeper's end of the pipe is closed. */
  orphan: boolean
}

interface KeeperProcess {
  readonly process: Process
  child: BrokerProcess | null
  readonly keeper: Keeper
  aliveAt: number
  started: boolean
  watchedAt: number
  killed: boolean
  stopping: boolean
  code: number | null
  left: boolean
}

export class Machine implements Address {
  readonly place: Place
  readonly label: ServerLabel
  readonly clock: MachineClock
  disk: MemoryDisk
  /** The operator wants this server to run: the supervisor starts it again when it has ended. */
  wanted = true
  /** Why the broker did not start the last time; '' where it did. */
  refusal = ''
  up = true
  starts = 0
  broker: BrokerProcess | null = null
  keeper: KeeperProcess | null = null
  readonly #of: MachineOf
  readonly #other: Place
  #lives = 0

  constructor(of: MachineOf) {
    this.#of = of
    this.place = of.place
    this.label = of.label
    this.#other = of.place === 'A' ? 'B' : 'A'
    const { dice, timeline } = of
    this.clock = new MachineClock(timeline, dice.between(1e3, 1e7), of.drift, dice.between(-2000, 2000))
    this.disk = this.#newDisk()
  }

  get process(): Process | null {
    return this.broker?.process ?? null
  }
  get port(): SimulatedBroker['port'] | null {
    return this.broker?.server?.port ?? null
  }

  get server(): SimulatedBroker | null {
    return this.broker?.process.alive ? this.broker.server : null
  }

  #newDisk(): MemoryDisk {
    const diskDice = this.#of.dice.fork('disk')
    return new MemoryDisk(
      fn => this.#diskAnswer(fn),
      () => diskDice.next(),
    )
  }

  #diskAnswer(fn: () => void): void {
    const { dice, setting } = this.#of
    this.broker?.process.arrive(setting.diskMs * (0.3 + dice.next()) + (dice.next() < 0.005 ? 40 : 0), fn)
  }

  #log(who: string): Log {
    return (level, line) => this.#of.log(this.place, who, level, line)
  }

  #process(name: string): Process {
    const { timeline, dice } = this.#of
    const process = new Process(timeline, this.clock, `${this.place} ${name} ${this.#lives}`, dice)
    process.onThrown = error => this.#thrown(process, error)
    return process
  }

  #thrown(process: Process, error: unknown): void {
    if (error instanceof MachineStopped) return
    if (!(error instanceof CodedError)) return this.#of.failed(error)
    this.#log(process.name)('error', error.line())
    // An uncaught fault ends the process.
    if (process === this.broker?.process) this.killBroker(`ends by itself: ${error.code}`)
    else this.killKeeper(`ends by itself: ${error.code}`)
  }

  // Starting

  /** `lockstep start`, by the operator or the supervisor. */
  start(): void {
    if (!this.up || this.keeper !== null) return
    const { share, setting, label } = this.#of
    this.#lives += 1
    this.starts += 1
    const process = this.#process('keeper')
    const chance = chanceOf(this.#of.dice.fork(`keeper ${this.#lives}`))
    const instance = chance.id()
    const { intervals } = setting
    const { leaseMs, marginMs, operationMs } = intervals
    const lease = new Lease({ folder: `${LOCK_FILE}.lock`, node: label, instance, leaseMs, marginMs }, process)
    const keeper = new Keeper(
      { label, lockFile: LOCK_FILE, instance, intervals },
      {
        clock: process,
        log: this.#log('keeper'),
        driver: share.lane(process, this.place),
        lock: directLock(lease, share.lane(process, this.place), operationMs),
        register: new Register(LOCK_FILE, instance),
        send: message => this.#toBroker(mine, message),
        onLeft: () => {
          mine.left = true
          this.#endWhenBoth(mine)
        },
      },
    )
    const mine: KeeperProcess = {
      process,
      child: null,
      keeper,
      aliveAt: process.now(),
      started: false,
      watchedAt: process.now(),
      killed: false,
      stopping: false,
      code: null,
      left: false,
    }
    this.keeper = mine
    process.arrive(1, () => {
      this.#fork(mine)
      this.#watchBroker(mine)
      keeper.start()
    })
  }

  #fork(keeper: KeeperProcess): void {
    // One process per data directory (data-lock.ts).
    if (this.broker?.process.alive) {
      this.#log('broker')('error', 'the data directory is in use by another process')
      keeper.process.arrive(REAP_MS, () => this.#reaped(keeper, 1))
      return
    }
    const process = this.#process('broker')
    const mine: BrokerProcess = { process, parent: keeper, server: null, link: null, early: [], orphan: false }
    keeper.child = this.broker = mine
    process.arrive(FORK_MS * (0.5 + this.#of.dice.next()), () => this.#begin(mine))
  }

  #begin(mine: BrokerProcess): void {
    const { network, setting, watch, account, dice, label } = this.#of
    const { process } = mine
    const link: KeeperLink = {
      send: message => this.#toKeeper(mine, message),
      ...{ onMessage: () => {}, onGone: () => {} },
      kill: () => void (this.keeper === mine.parent && this.killKeeper('killed by its broker')),
    }
    mine.link = link
    const live = (): void => {
      this.#toKeeper(mine, { type: 'alive' })
      process.after(setting.intervals.brokerAliveMs, live)
    }
    live()
    try {
      mine.server = startBroker({
        label,
        setting,
        process,
        disk: this.disk,
        spill: spillOf(process, this.disk, setting.diskMs, dice.fork(`pages ${this.#lives}`)),
        chance: chanceOf(dice.fork(`broker ${this.#lives}`)),
        keeper: link,
        transport: network.transport(process, this.place, this.#other),
        ping: network.ping(process, this.place),
        log: this.#log('broker'),
        watch,
        account,
        onEnd: code => process.after(LAST_WORDS_MS, () => this.#exitBroker(mine, code)),
      })
      this.refusal = ''
      for (const message of mine.early?.splice(0) ?? []) link.onMessage(message)
      mine.early = null
      if (mine.orphan) link.onGone()
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      this.refusal = error.code
      this.#log('broker')('error', error.line())
      this.#exitBroker(mine, 1)
    }
  }

  // The pipe

  #toBroker({ child }: KeeperProcess, message: FromKeeper): void {
    child?.process.arrive(PIPE_MS, () => {
      if (child.early) child.early.push(message)
      else child.link?.onMessage(message)
    })
  }

  #toKeeper(from: BrokerProcess, message: ToKeeper): void {
    const { parent, server } = from
    if (!from.process.alive) return
    if (message.type === 'append' && server) this.#of.watch.ordered(message.record, server.store)
    parent.process.arrive(PIPE_MS, () => {
      parent.aliveAt = parent.process.now()
      parent.started = true
      parent.keeper.receive(message)
    })
  }

  // Supervision, as in broker-process.ts

  #watchBroker(mine: KeeperProcess): void {
    const { brokerSilenceMs, brokerStartMs } = this.#of.setting.intervals
    const limitMs = mine.started ? brokerSilenceMs : brokerStartMs
    const now = mine.process.now()
    const tickMs = brokerSilenceMs / 4
    if (now - mine.watchedAt > 2 * tickMs) mine.aliveAt = now
    mine.watchedAt = now
    if (now - mine.aliveAt >= limitMs && !mine.killed && mine.code === null) {
      mine.killed = true
      this.#log('keeper')('error', 'the broker gives no sign of life and is killed')
      if (mine.child) this.#exitBroker(mine.child, 1)
    }
    mine.process.after(tickMs, () => this.#watchBroker(mine))
  }

  #reaped(mine: KeeperProcess, code: number): void {
    mine.code = code
    mine.keeper.leave()
    this.#endWhenBoth(mine)
  }

  #endWhenBoth(mine: KeeperProcess): void {
    if (mine.code === null || !mine.left) return
    mine.process.arrive(1, () => this.#keeperOver(mine))
  }

  #keeperOver(mine: KeeperProcess): void {
    if (this.keeper !== mine) return
    mine.process.kill()
    this.keeper = null
    const { timeline, setting } = this.#of
    timeline.after(setting.restartMs, () => {
      if (this.wanted) this.start()
    })
  }

  #exitBroker(broker: BrokerProcess, code: number): void {
    if (!broker.process.alive) return
    const { parent } = broker
    this.#brokerOver(broker, false)
    parent.process.arrive(REAP_MS, () => this.#reaped(parent, code))
  }

  #brokerOver(broker: BrokerProcess, machineToo: boolean): void {
    broker.process.kill()
    this.#of.network.processGone(broker.process, machineToo)
    const { port } = broker.server ?? {}
    for (const connection of port?.taken ?? []) connection.lost(machineToo)
    if (port) port.isOpen = false
    if (this.broker === broker) this.broker = null
    if (!machineToo) this.disk = this.disk.restart()
  }

  // What can happen to it

  killBroker(how = 'killed'): void {
    if (!this.broker?.process.alive) return
    this.#log('broker')('info', how)
    this.#exitBroker(this.broker, 1)
  }

  killKeeper(how = 'killed'): void {
    const { keeper } = this
    if (keeper === null) return
    const broker = keeper.child
    this.#log('keeper')('info', how)
    this.#keeperOver(keeper)
    broker?.process.arrive(PIPE_MS, () => {
      broker.orphan = true
      if (!broker.early) broker.link?.onGone()
    })
  }

  /** The machine loses its power; it is started again by `boot`. */
  crash(): void {
    if (!this.up) return
    this.up = false
    this.#of.share.machineGone(this.place)
    if (this.broker) this.#brokerOver(this.broker, true)
    this.keeper?.process.kill()
    this.keeper = null
    this.clock.wake()
    this.disk = this.disk.crash()
  }

  boot(): void {
    if (this.up) return
    this.up = true
    if (this.wanted) this.start()
  }

  freeze(who: 'broker' | 'keeper' | 'both'): void {
    if (who !== 'keeper') this.broker?.process.freeze()
    if (who !== 'broker') this.keeper?.process.freeze()
  }

  /** Suspended: its processes and its monotonic clock stand still. */
  sleep(): void {
    this.clock.sleep()
    this.freeze('both')
  }

  wake(): void {
    this.clock.wake()
    this.thaw()
  }

  thaw(): void {
    this.broker?.process.thaw()
    this.keeper?.process.thaw()
  }

  /** A graceful stop by the operator: a signal to the keeper. */
  stop(): void {
    this.wanted = false
    const { keeper } = this
    keeper?.process.arrive(PIPE_MS, () => {
      if (keeper.stopping) return
      keeper.stopping = true
      this.#toBroker(keeper, { type: 'stop' })
      keeper.process.after(STOP_LIMIT_MS, () => {
        this.#log('keeper')('error', 'the broker is slow to stop and is killed')
        this.killBroker()
      })
    })
  }

  /** An operator replaces the disk: another store under the old name. */
  newDisk(): void {
    this.disk = this.#newDisk()
  }
}
