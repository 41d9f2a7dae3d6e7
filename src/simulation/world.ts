// The simulated world: two machines with a server each, a gateway with the share, the network between them, clients. Puts
// it together and knows how to heal it; what goes wrong is in faults.ts, what is right in watch.ts and account.ts.

import { decodeRecord } from '../ha/record-text.ts'
import type { RegisterRecord } from '../ha/record.ts'
import { Account } from './account.ts'
import { LOCK_FILE } from './broker.ts'
import { ConsumerClient, ProducerClient } from './clients.ts'
import { Dice } from './dice.ts'
import { ErrandConsumer, ErrandProducer } from './errands.ts'
import { frameMoment } from './faults.ts'
import { Inflictor } from './inflict.ts'
import { Machine } from './machine.ts'
import { Network, type Place } from './network.ts'
import { settingOf, type Setting } from './setting.ts'
import { Share } from './share.ts'
import { MachineClock, Process, Timeline } from './timeline.ts'
import { Violation, Watch } from './watch.ts'

const KEPT_LINES = 4000
const BACKUP_MS = 1000

export class World {
  readonly setting: Setting
  readonly timeline = new Timeline()
  readonly dice: Dice
  readonly network: Network
  readonly share: Share
  readonly watch: Watch
  readonly account = new Account()
  readonly a: Machine
  readonly b: Machine
  readonly producers: ProducerClient[] = []
  readonly consumers: ConsumerClient[] = []
  readonly errandProducers: ErrandProducer[] = []
  readonly errandConsumers: ErrandConsumer[] = []
  readonly inflictor: Inflictor
  readonly lines: string[] = []
  readonly strikes = new Map<string, number>()
  /** The first thing that went wrong; the run is over. */
  failure: unknown = null
  rolledBack = false
  /** An operator has restarted a server in act two. */
  restarted = false
  /** A disk may have lost what the only other copy does not have: then there may be no way back. */
  damage = false
  /** What was lost was lost by assumption: there is nothing more to judge. */
  givenUp = ''
  readonly #tells: boolean
  readonly #backups: { readonly at: number; readonly copy: ReturnType<Share['tree']['copy']> }[] = []

  constructor(seed: string, tells: boolean, plain = false) {
    this.#tells = tells
    const dice = new Dice(seed)
    this.setting = settingOf(dice, plain)
    this.dice = dice.fork('world')
    const { timeline, setting } = this
    this.network = new Network(timeline, dice.fork('network'))
    this.share = new Share(timeline, this.network, dice.fork('share'))
    this.watch = new Watch(timeline, line => this.say('!', line))
    this.watch.onViolation =
      this.account.onViolation =
      this.account.journeys.onViolation =
        violation => {
          this.failure ??= violation
        }
    this.watch.onForced = () => {
      this.watch.excuse('an operator forced a server')
      this.account.excuse()
    }
    // A share that went back, and a server that never heard of what it forgot: no pair can find that out.
    this.watch.onUndetected = ({ seq, holder }, known) => {
      if (known >= seq)
        this.failure ??= new Violation('P3', `the ${holder} appends record ${seq}, though it knew of record ${known}`)
      this.givenUp = 'the share went back, and the only server that knew better could not be asked'
    }
    this.watch.onDamagedTail = label => {
      this.givenUp = `damage at rest took the newest batch of the ${label}, the only copy in sync, and looks like a torn tail`
    }
    const { share, network, watch, account } = this
    share.tree.links = setting.links
    share.tree.loses = setting.loses
    share.visibilityMs = setting.visibilityMs
    share.executesAgain = setting.executesAgain
    const machine = (place: Place, label: 'primary' | 'secondary', drift: number): Machine =>
      new Machine({
        place,
        label,
        timeline,
        network,
        share,
        setting,
        watch,
        account,
        drift,
        dice: dice.fork(place),
        log: (at, who, level, line) => {
          if (this.#tells && level !== 'debug') this.say(at, `${who}: ${line}`)
        },
        failed: error => {
          this.failure ??= error
        },
      })
    this.a = machine('A', 'primary', setting.drift[0])
    this.b = machine('B', 'secondary', setting.drift[1])
    this.inflictor = new Inflictor(this)
    network.onFrame = number => this.inflictor.moment(frameMoment.get(number) ?? '')
    share.onExecuted = (request, outcome) => {
      this.inflictor.moment(request.op)
      if (outcome.ok && (request.op === 'link' || request.op === 'create'))
        this.#appeared('to' in request ? request.to : request.path)
    }
    account.journeys.highestWall = () => Math.max(this.a.clock.highestWall(), this.b.clock.highestWall())
    this.#clients(dice)
  }

  get machines(): readonly Machine[] {
    return [this.a, this.b]
  }

  start(): void {
    for (const machine of this.machines) this.timeline.after(this.dice.between(0, 800), () => machine.start())
    this.#backup()
  }

  say(where: string, text: string): void {
    if (!this.#tells) return
    if (this.lines.length >= KEPT_LINES) this.lines.splice(0, KEPT_LINES / 2)
    this.lines.push(`${(this.timeline.now / 1000).toFixed(4).padStart(9)} ${where} ${text}`)
  }

  struck(kind: string): void {
    this.strikes.set(kind, (this.strikes.get(kind) ?? 0) + 1)
  }

  #clients(dice: Dice): void {
    const { timeline, setting, account } = this
    const addresses = this.machines
    const clock = new MachineClock(timeline, 0, 1, 0)
    const process = (name: string): Process => {
      const made = new Process(timeline, clock, name, dice.fork(name))
      made.onThrown = error => {
        this.failure ??= error
      }
      return made
    }
    for (let n = 0; n < setting.producers; n++) {
      const name = `producer ${n}`
      this.producers.push(
        new ProducerClient(process(name), timeline, addresses, dice.fork(`${name} choices`), setting, account),
      )
    }
    // Each queue has its consumers.
    for (let n = 0; n < Math.max(setting.consumers, setting.queues); n++) {
      const name = `consumer ${n}`
      const queue = `q${n % setting.queues}`
      this.consumers.push(
        new ConsumerClient(process(name), timeline, addresses, dice.fork(`${name} choices`), setting, queue),
      )
    }
    if (setting.errands === 0) return
    const [sender, own] = [process('sender'), dice.fork('sender choices')]
    this.errandProducers.push(new ErrandProducer(sender, timeline, addresses, own, setting, account.journeys))
    for (const place of ['work', 'work', 'done', 'dead'] as const) {
      const name = `errands ${this.errandConsumers.length}`
      const choices = dice.fork(`${name} choices`)
      this.errandConsumers.push(new ErrandConsumer(process(name), timeline, addresses, choices, setting, place))
    }
  }

  // The share's records

  #appeared(path: string): void {
    const seq = seqOf(path)
    if (seq === 0) return
    const record = decodeRecord(this.share.tree.text(path) ?? '', seq)
    if (typeof record === 'string') return
    try {
      this.watch.linked(record)
    } catch {
      // It is kept as the failure of this run.
    }
  }

  /** The newest record that is on the share now. */
  newestThere(): RegisterRecord | null {
    const { tree } = this.share
    let newest = 0
    for (const name of tree.names('/')) newest = Math.max(newest, seqOf(`/${name}`))
    if (newest === 0) return null
    const record = decodeRecord(tree.text(`${LOCK_FILE}.r${String(newest).padStart(10, '0')}`) ?? '', newest)
    return typeof record === 'string' ? null : record
  }

  shareLost(operations: number): void {
    if (operations > 0) this.say('!', `the share forgets its last ${operations} changes`)
    this.watch.forgotten(this.newestThere())
  }

  gatewayBack(): void {
    if (this.network.gatewayUp) return
    this.network.gatewayUp = true
    this.share.release()
  }

  #backup(): void {
    this.timeline.after(BACKUP_MS, () => {
      if (this.#backups.length >= 40) this.#backups.shift()
      if (!this.rolledBack) this.#backups.push({ at: this.timeline.now, copy: this.share.tree.copy() })
      this.#backup()
    })
  }

  rollBack(ageMs: number): void {
    const backup = this.#backups.findLast(({ at }) => at <= this.timeline.now - ageMs)
    if (backup === undefined) return
    const before = this.watch.highest
    this.share.tree.restore(backup.copy)
    const newest = this.newestThere()
    if ((newest?.seq ?? 0) === before) return
    this.rolledBack = true
    this.say('!', `the share goes back from record ${before} to ${newest?.seq ?? 0}`)
    this.watch.rolledBack = true
    this.watch.excuse('the share was rolled back')
    this.account.excuse()
  }

  damaged(machine: Machine): void {
    this.damage = true
    const store = machine.server?.store.storeId
    if (store !== undefined) this.watch.damaged(store)
  }

  /** Act two: nothing is wrong any more. */
  heal(): void {
    this.say('*', 'everything is healed')
    this.inflictor.end()
    this.network.healAll()
    this.network.gatewayUp = true
    this.share.failing = null
    this.share.release()
    for (const machine of this.machines) {
      machine.disk.capacity = Infinity
      machine.disk.fault = () => null
      machine.disk.stopAt = Infinity
      machine.wake()
      machine.wanted = true
      if (machine.up) machine.start()
      else machine.boot()
    }
  }
}

const PREFIX = `${LOCK_FILE}.r`
const seqOf = (path: string): number => {
  if (!path.startsWith(PREFIX)) return 0
  const number = path.slice(PREFIX.length)
  return /^\d{10}$/.test(number) ? Number(number) : 0
}
