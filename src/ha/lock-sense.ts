// What comes from the keeper, noted where it counts: the lease in the grounds of serving, the newest record in the store's
// memory, faults of the share and of the keeper itself in the recent past, the lock as both consoles are told of it.

import type { Acts } from './acts.ts'
import { haError } from './errors.ts'
import { lists } from './judge.ts'
import type { KeeperNews } from './keeper-link.ts'
import { KeeperWatch } from './keeper-watch.ts'
import type { Notes } from './notes.ts'
import type { Parts } from './parts.ts'
import type { Sensors } from './sensors.ts'

export interface LockSenseOf {
  readonly parts: Parts
  readonly sensors: Sensors
  readonly notes: Notes
  readonly acts: Acts
  /** The lock is striven for, so that one that ends is lost and not released. */
  readonly wanted: () => boolean
  /** The keeper has been silent for so long that its lease is over. */
  readonly keeperFrozen: (silenceMs: number) => void
  /** Something has come of it: look again. */
  readonly look: () => void
}

export class LockSense {
  losses = 0
  readonly watch: KeeperWatch
  readonly #of: LockSenseOf
  #fault = ''
  #reaches = false

  constructor(of: LockSenseOf) {
    this.#of = of
    const { leaseMs } = of.parts.intervals
    this.watch = new KeeperWatch(of.parts.clock, leaseMs, {
      silent: (silent, silenceMs) => this.#silent(silent, silenceMs),
      dead: of.keeperFrozen,
    })
  }

  /** True where it names a record that was not known before. */
  news(news: KeeperNews): boolean {
    const { parts, sensors } = this.#of
    const { store, gate, grounds, wake } = parts
    const before = sensors.news
    sensors.news = news
    grounds.leaseDeadline = news.held ? news.deadline : -1
    grounds.leaseRenewedAt = news.renewedAt
    grounds.leaseRenewedWall = news.renewedWall
    gate.poke()
    wake()
    this.#told(news)
    this.#reach()
    const { record } = news
    if (!record || record.seq === before.record?.seq) return false
    if (store.pairId === '' && lists(record, parts.label, store.storeId)) store.belongTo(record.pairId)
    if (store.pairId === record.pairId) store.knew(record.seq)
    return true
  }

  /** As it counts for us: a lock whose time has run out is lost, whatever lies on a share that does not answer. */
  is(held: boolean): void {
    const { parts, sensors, notes, acts, wanted } = this.#of
    if (held === sensors.hasLock) return
    sensors.hasLock = held
    const { lockFile } = parts
    const lost = !held && wanted()
    if (held) notes.note('lock', 'info', `Successfully acquired lock on:${lockFile}`)
    else notes.note('lock', lost ? 'warn' : 'info', `${lost ? 'Lost' : 'Released'} lock on:${lockFile}`)
    if (lost) this.losses++
    acts.tellRole()
  }

  #told({ fault }: KeeperNews): void {
    const { parts, notes } = this.#of
    const code = fault?.code ?? ''
    if (code === this.#fault) return
    this.#fault = code
    // For the recent past: on the console its keeper says it.
    if (fault) notes.note('fault', 'debug', fault.line, code)
    else notes.note('lock', 'debug', `The share of the LockFile answers again: ${parts.lockFile}`)
  }

  #silent(silent: boolean, silenceMs: number): void {
    const { parts, sensors, notes, look } = this.#of
    const limitMs = parts.intervals.leaseMs
    sensors.keeperFault = silent ? haError('KEEPER-SILENT', { silenceMs, limitMs }) : null
    if (sensors.keeperFault) notes.fault(sensors.keeperFault, 'warn')
    else notes.note('fault', 'info', 'The keeper process of this server answers again', 'HA-KEEPER-SILENT')
    this.#reach()
    look()
  }

  /** Whether this server reaches the LockFile is told to the peer at every change. */
  #reach(): void {
    const { sensors, acts } = this.#of
    if (sensors.reaches === this.#reaches) return
    this.#reaches = sensors.reaches
    acts.tellRole()
  }
}
