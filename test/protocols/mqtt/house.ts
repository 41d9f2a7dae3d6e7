// A house for tests of MQTT sessions: the real broker on a journal that is an array, engines at one end, and failovers to a
// second broker that has nothing but the records.

import assert from 'node:assert/strict'
import { createBroker, type BrokerCore } from '../../../src/broker/broker.ts'
import { ArrayLog, chunksFrom, foldOf, limits as brokerLimits, restoredFrom, snapshotOf } from '../../broker/ground.ts'
import type { BrokerLimits } from '../../../src/broker/limits.ts'
import { ManualClock } from '../amqp/wire.ts'
import { connect, Wire, type Version } from './wire.ts'

/** A pair of brokers over one history: one serves, the other has the records that are safe. */
export class House {
  readonly clock = new ManualClock()
  readonly #limits: Partial<BrokerLimits>
  readonly #formats: Partial<Parameters<typeof createBroker>[0]>
  log = new ArrayLog()
  broker: BrokerCore
  /** Records are safe as soon as they are there. */
  prompt = true
  readonly #wires = new Set<Wire>()

  constructor(limits: Partial<BrokerLimits> = {}, formats: Partial<Parameters<typeof createBroker>[0]> = {}) {
    this.#limits = limits
    this.#formats = formats
    this.broker = this.#broker()
    this.broker.startServing()
  }

  #broker(): BrokerCore {
    return createBroker({
      log: this.log,
      clock: this.clock,
      limits: { ...brokerLimits, connections: 100, ...this.#limits },
      say: () => {},
      ...this.#formats,
    })
  }

  /** What was appended is safe, and what follows from it happens, until nothing does. */
  rest(): this {
    for (let i = 0; i < 50; i++) {
      this.clock.settle()
      this.clock.advance(0)
      if (this.prompt) this.broker.committed(this.log.last)
      this.clock.settle()
    }
    return this
  }

  advance(ms: number): void {
    this.clock.advance(ms)
    this.rest()
  }

  wire(version: Version, fields: Record<string, unknown> = {}): Wire {
    const wire = new Wire(version, {}, { broker: this.broker, clock: this.clock })
    this.#wires.add(wire)
    wire.bytes(connect(version, fields))
    this.rest()
    return wire
  }

  /** A client that stays: for ever with 3.1.1, an hour with 5.0. */
  stays(version: Version, clientId: string, fields: Record<string, unknown> = {}): Wire {
    const properties = version === 5 ? { sessionExpiryInterval: 3600, ...(fields['properties'] as object) } : {}
    return this.wire(version, { clientId, clean: false, ...fields, ...(version === 5 ? { properties } : {}) })
  }

  do(wire: Wire, cmd: string, fields: Record<string, unknown>): void {
    wire.send(cmd, fields)
    this.rest()
  }

  subscribe(wire: Wire, topic: string, qos = 2, options: Record<string, unknown> = {}): void {
    this.do(wire, 'subscribe', { messageId: 1, subscriptions: [{ topic, qos, ...options }] })
  }

  publish(
    wire: Wire,
    topic: string,
    payload: string,
    qos = 1,
    messageId = 1,
    more: Record<string, unknown> = {},
  ): void {
    this.do(wire, 'publish', { topic, payload, qos, ...(qos > 0 ? { messageId } : {}), ...more })
  }

  lose(wire: Wire): void {
    wire.connection.closed()
    this.rest()
  }

  /** How far records are known to be safe. */
  safe = 0
  failovers = 0

  turn(): void {
    this.clock.settle()
    this.clock.advance(0)
  }

  /** So many more records are safe. */
  commit(records: number): void {
    this.safe = Math.min(this.log.last, this.safe + records)
    this.broker.committed(this.safe)
    this.clock.settle()
  }

  /** The active server is gone with all connections; the other one has what was safe (`keep` records), and serves. */
  failover(keep = this.log.last): void {
    const records = this.log.records.slice(0, keep)
    const { log } = this
    log.proof = false
    this.log = new ArrayLog()
    this.log.records.push(...records)
    this.log.epoch = log.epoch + 1
    const next = this.#broker()
    for (const record of records) next.apply(record)
    this.broker.stopServing()
    this.broker = next
    this.failovers++
    this.safe = keep
    next.startServing()
    if (this.prompt) this.rest()
  }

  /** Fold, snapshot and the active server's own way give one state. */
  check(): void {
    this.rest()
    const active = snapshotOf(this.broker)
    assert.ok(active.equals(snapshotOf(foldOf(this.log.records))), 'active and follower agree')
    assert.ok(active.equals(snapshotOf(restoredFrom(chunksFrom(this.broker)))), 'a snapshot says it all')
  }
}
