// Transactions as their clients see them, frame by frame (AMQP 1.0, Part 4), in front of the broker itself.

import assert from 'node:assert/strict'
import { encode } from '../../../src/protocols/amqp/encode.ts'
import { performatives as p } from '../../../src/protocols/amqp/performatives.ts'
import type { Value } from '../../../src/protocols/amqp/types.ts'
import { NULL, array, binary, bool, described, list, map, str, sym } from '../../../src/protocols/amqp/types.ts'
import { Bench } from '../../broker/ground.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { begun, client, condition, message, type SeenFrame, type Wire } from './wire.ts'

const COORDINATOR = described(0x30, list([array([sym('amqp:local-transactions')])]))
const ACCEPTED = 0x24
const RELEASED = 0x26

const said = (value: Value): Buffer => encode(described(0x77, value))
const declare = said(described(0x31, list([])))
const discharge = (txn: Uint8Array, fail = false): Buffer => said(described(0x32, list([binary(txn), bool(fail)])))
const within = (txn: Uint8Array, outcome?: number): Value =>
  described(0x34, list([binary(txn), ...(outcome === undefined ? [] : [described(outcome, list([]))])]))

/** Described lists as code and fields. */
const parts = (value: Value | undefined): [code: number, fields: readonly Value[]] => {
  assert.ok(value?.type === 'described' && value.descriptor.type === 'ulong' && value.value.type === 'list')
  return [Number(value.descriptor.value), value.value.value]
}

class Client {
  readonly bench: Bench
  readonly wire: Wire
  #id = 0

  /** Handle 0 controls transactions, handle 1 sends to `q`. */
  constructor(limits: Parameters<typeof begun>[0] = {}, bench = new Bench().serve()) {
    this.bench = bench
    this.wire = begun(limits, undefined, { signIn: plainDoor(bench.broker, { ann: 'secret' }) })
    this.send(client.attachSender(0, COORDINATOR), client.attachSender(1, 'q'))
  }

  send(...bytes: Uint8Array[]): void {
    this.wire.send(...bytes)
    this.rest()
  }

  /** All is safe. */
  rest(): void {
    this.bench.settle()
    this.wire.clock.settle()
    this.bench.settle()
    this.wire.clock.settle()
  }

  transfer(handle: number, bytes: Buffer, o: Parameters<typeof client.transfer>[3] = {}): number {
    const id = this.#id++
    this.send(client.transfer(handle, id, bytes, o))
    return id
  }

  /** What was answered to a delivery of the client's. */
  outcome(id: number): Value | undefined {
    return this.wire.seen(p.disposition).find(f => f.fields[0]?.value === true && idOf(f) === id)?.fields[4]
  }

  declare(): Uint8Array {
    const [code, [txn]] = parts(this.outcome(this.transfer(0, declare)))
    assert.ok(code === 0x33 && txn?.type === 'binary')
    return txn.value
  }

  discharge(txn: Uint8Array, fail = false): string | null {
    const [code, fields] = parts(this.outcome(this.transfer(0, discharge(txn, fail))))
    if (code === ACCEPTED) return null
    assert.equal(code, 0x25)
    return condition(fields[0])
  }

  /** Handle 2 receives from `q`. */
  receive(credit: number): SeenFrame[] {
    this.send(client.attachReceiver(2, 'q'), client.flow({ handle: 2, count: 0, credit }))
    return this.wire.seen(p.transfer)
  }

  get messages(): number {
    return this.bench.broker.status().messages
  }
}

const idOf = (f: SeenFrame): number => f.fields[1]?.value as number

/** Dispositions about what the client got. */
const confirmed = (c: Client): number[] =>
  c.wire.seen(p.disposition).filter(f => f.fields[0]?.value === false).map(idOf) // prettier-ignore

describe('AMQP transactions', () => {
  it('are offered as JMS clients look for them', () => {
    const { wire } = new Client()
    const answer = wire.seen(p.attach)[0]?.fields as readonly Value[]
    const [code, [capabilities]] = parts(answer[6])
    assert.equal(code, 0x30)
    assert.ok(capabilities?.type === 'array')
    assert.deepEqual(
      capabilities.value.map(({ value }) => value),
      ['amqp:local-transactions', 'amqp:multi-txns-per-ssn', 'amqp:multi-ssns-per-txn'],
    )
  })

  it('send at once with their discharge; until then each message is presumed to be accepted', () => {
    const c = new Client()
    const txn = c.declare()
    const ids = [1, 2, 3].map(() => c.transfer(1, message(5), { state: within(txn) }))
    for (const id of ids) {
      const [code, [named, outcome]] = parts(c.outcome(id))
      assert.equal(code, 0x34)
      assert.deepEqual(named?.value, txn)
      assert.equal(parts(outcome)[0], ACCEPTED)
    }
    assert.equal(c.messages, 0)
    assert.equal(c.discharge(txn), null)
    assert.equal(c.messages, 3)
    assert.equal(c.discharge(txn), 'amqp:transaction:unknown-id', 'once')
  })

  it('answer the discharge when its record is safe, not before', () => {
    const c = new Client()
    const txn = c.declare()
    c.transfer(1, message(5), { state: within(txn) })
    c.wire.send(client.transfer(0, 99, discharge(txn)))
    assert.equal(c.outcome(99), undefined)
    c.rest()
    assert.equal(parts(c.outcome(99))[0], ACCEPTED)
  })

  it('settle what was received; what the client leaves unsettled is settled for it', () => {
    const c = new Client()
    for (let i = 0; i < 4; i++) c.transfer(1, message(5 + i))
    assert.equal(c.receive(10).length, 4)
    const txn = c.declare()
    c.send(client.disposition(0, 1, 0x34, { fields: within2(txn, ACCEPTED) }))
    c.send(client.disposition(2, 3, 0x34, { fields: within2(txn, ACCEPTED), settled: false }))
    assert.deepEqual([c.messages, confirmed(c)], [4, []])
    assert.equal(c.discharge(txn), null)
    assert.deepEqual([c.messages, confirmed(c)], [0, [2]])
  })

  it('that are rolled back leave deliveries with their client, or take back what it has settled as failed', () => {
    for (const how of ['fail', 'full'] as const) {
      const c = new Client({}, new Bench(how === 'full' ? { queueBytes: 2000 } : {}).serve())
      c.transfer(1, message(5))
      c.transfer(1, message(6))
      assert.equal(c.receive(2).length, 2)
      const txn = c.declare()
      c.send(client.disposition(0, 0, 0x34, { fields: within2(txn, ACCEPTED) }))
      c.send(client.disposition(1, 1, 0x34, { fields: within2(txn, ACCEPTED), settled: false }))
      if (how === 'full') c.transfer(1, message(1500), { state: within(txn) })
      assert.equal(c.discharge(txn, how === 'fail'), how === 'fail' ? null : 'amqp:transaction:rollback')
      assert.equal(c.messages, 2)
      c.send(client.flow({ next: 2, handle: 2, count: 2, credit: 2 }))
      const again = c.wire.seen(p.transfer).slice(2)
      assert.equal(again.length, 1)
      // Its header: not the first acquirer, one failed delivery.
      assert.equal(again[0]?.payload.subarray(0, 15).toString('hex'), '005370c00a05404040427000000001')
      c.send(client.disposition(1, 1, RELEASED))
      assert.equal(c.wire.seen(p.transfer).length, 4)
      assert.equal(c.messages, 2)
    }
  })

  it('decide of a delivery alone: what the client says of it meanwhile only lets go of it', () => {
    const c = new Client()
    c.transfer(1, message(5))
    c.receive(1)
    const txn = c.declare()
    c.send(client.disposition(0, 0, 0x34, { fields: within2(txn, ACCEPTED), settled: false }))
    c.send(client.disposition(0, 0, 0x34, { fields: within2(txn, RELEASED), settled: false }))
    c.send(client.disposition(0, 0, RELEASED))
    assert.equal(c.discharge(txn), null)
    assert.deepEqual([c.messages, confirmed(c)], [0, []])
  })

  it('leave a delivery to be settled after a rollback, whatever was said of it meanwhile', () => {
    const c = new Client()
    for (let n = 0; n < 2; n++) c.transfer(1, message(5))
    c.receive(2)
    const txn = c.declare()
    c.send(client.disposition(0, 1, 0x34, { fields: within2(txn, ACCEPTED), settled: false }))
    c.send(client.disposition(0, 1, RELEASED, { settled: false }))
    assert.equal(c.discharge(txn, true), null)
    c.send(client.disposition(0, 1, ACCEPTED))
    assert.equal(c.messages, 0)
  })

  it('reach over the sessions of a connection, several at a time', () => {
    const c = new Client()
    c.send(client.begin(1), client.attachSender(0, 'p', 1))
    const [one, other] = [c.declare(), c.declare()]
    c.transfer(0, message(5), { state: within(one), channel: 1 })
    c.transfer(1, message(5), { state: within(other) })
    assert.equal(c.discharge(other, true), null)
    assert.equal(c.discharge(one), null)
    const { queues } = c.bench.broker.status()
    assert.deepEqual(queues.map(({ name, messages }) => [name, messages]), [['q', 0], ['p', 1]]) // prettier-ignore
  })

  it('end with the link that declared them, and with the connection', () => {
    for (const end of ['detach', 'close', 'lost'] as const) {
      const c = new Client()
      c.transfer(1, message(5))
      c.receive(1)
      const txn = c.declare()
      c.transfer(1, message(5), { state: within(txn) })
      c.send(client.disposition(0, 0, 0x34, { fields: within2(txn, ACCEPTED) }))
      if (end === 'lost') c.wire.connection.closed()
      else c.send(end === 'detach' ? client.detach(0) : client.close())
      c.rest()
      const taker = c.bench.taker('q', 5)
      c.send(...(end === 'detach' ? [client.detach(2)] : []))
      assert.deepEqual(taker.got.map(({ deliveryCount }) => deliveryCount), [0], end) // prettier-ignore
      if (end !== 'detach') continue
      c.transfer(1, message(5), { state: within(txn) })
      assert.equal(condition(c.wire.seen(p.end)[0]?.fields[0]), 'amqp:transaction:unknown-id')
    }
  })

  it('that nothing is heard of are rolled back, and say so when they are discharged', () => {
    const c = new Client({ transactionIdleMs: 1000 })
    c.transfer(1, message(5))
    c.receive(1)
    const txn = c.declare()
    c.send(client.disposition(0, 0, 0x34, { fields: within2(txn, ACCEPTED) }))
    c.wire.clock.advance(900)
    c.transfer(1, message(5), { state: within(txn) })
    c.wire.clock.advance(900)
    assert.equal(c.wire.log.length, 0)
    c.wire.clock.advance(100)
    assert.match(c.wire.log.join(), /A transaction is rolled back/)
    c.rest()
    const taker = c.bench.taker('q', 5)
    c.rest()
    assert.deepEqual(taker.got.map(({ deliveryCount }) => deliveryCount), [1]) // prettier-ignore
    const [, [, outcome]] = parts(c.outcome(c.transfer(1, message(5), { state: within(txn) })))
    assert.equal(condition(parts(outcome)[1][0]), 'amqp:transaction:timeout')
    assert.equal(c.discharge(txn), 'amqp:transaction:timeout')
  })

  it('are so many for a connection, and each so large', () => {
    const c = new Client({ transactions: 2 }, new Bench({ messageBytes: 2000 }).serve())
    const txn = c.declare()
    c.declare()
    const [code, [why]] = parts(c.outcome(c.transfer(0, declare)))
    assert.deepEqual([code, condition(why)], [0x25, 'amqp:resource-limit-exceeded'])
    c.transfer(1, message(1500), { state: within(txn) })
    const [, [, outcome]] = parts(c.outcome(c.transfer(1, message(1500), { state: within(txn) })))
    assert.equal(condition(parts(outcome)[1][0]), 'amqp:transaction:rollback')
    assert.equal(c.discharge(txn), 'amqp:transaction:rollback')
    assert.equal(c.messages, 0)
    // What was sent settled is not answered; its failure is one of the transaction.
    const next = c.declare()
    c.transfer(1, message(1900), { state: within(next), settled: true })
    c.transfer(1, message(1900), { state: within(next), settled: true })
    assert.equal(c.discharge(next), 'amqp:transaction:rollback')
  })

  it('take a message in several frames, its transaction named with the first', () => {
    const c = new Client()
    const txn = c.declare()
    const whole = message(50)
    const id = c.transfer(1, whole.subarray(0, 30), { state: within(txn), more: true })
    c.send(client.transfer(1, null, whole.subarray(30)))
    assert.equal(parts(c.outcome(id))[0], 0x34)
    assert.deepEqual([c.messages, c.discharge(txn), c.messages], [0, null, 1])
  })

  it('are refused where what is said to the coordinator makes no sense', () => {
    const unknown = (): [Client, Buffer] => [new Client(), discharge(Buffer.alloc(4))]
    const cases: [string, () => [Client, Buffer], string][] = [
      ['unknown', unknown, 'amqp:transaction:unknown-id'],
      ['another id', () => [new Client(), discharge(Buffer.from('abc'))], 'amqp:transaction:unknown-id'],
      ['no words', () => [new Client(), message(5)], 'amqp:not-implemented'],
      ['an outcome', () => [new Client(), said(described(ACCEPTED, list([])))], 'amqp:not-implemented'],
      ['distributed', () => [new Client(), said(described(0x31, list([str('xid')])))], 'amqp:not-implemented'],
      ['no id', () => [new Client(), said(described(0x32, list([NULL])))], 'amqp:invalid-field'],
      ['many fields', () => [new Client(), said(described(0x31, list([NULL, NULL])))], 'amqp:decode-error'],
    ]
    for (const [what, make, wanted] of cases) {
      const [c, bytes] = make()
      const [code, [why]] = parts(c.outcome(c.transfer(0, bytes)))
      assert.deepEqual([code, condition(why)], [0x25, wanted], what)
    }
    const c = new Client()
    c.transfer(0, declare, { settled: true })
    assert.equal(condition(c.wire.seen(p.detach)[0]?.fields[2]), 'amqp:invalid-field')
    c.send(client.disposition(0, 0, 0x34, { fields: [binary(Buffer.alloc(4))] }))
    assert.equal(condition(c.wire.seen(p.end)[0]?.fields[0]), 'amqp:transaction:unknown-id')
  })

  it('are not named within another state', () => {
    const c = new Client()
    const txn = c.declare()
    c.send(client.disposition(0, 0, 0x34, { fields: [binary(txn), within(txn, ACCEPTED)] }))
    assert.equal(condition(c.wire.seen(p.close)[0]?.fields[0]), 'amqp:decode-error')
  })
})

/** The fields of a state within a transaction. */
const within2 = (txn: Uint8Array, outcome: number): Value[] => [...parts(within(txn, outcome))[1]]

describe('AMQP messages that their producers name', () => {
  const named = (...properties: Value[]): Buffer =>
    Buffer.concat([encode(described(0x74, map(properties))), message(5)])

  it('come in once, by the application property _AMQ_DUPL_ID, whatever stands beside it', () => {
    const name = str('_AMQ_DUPL_ID')
    const rows: [Buffer, once: boolean][] = [
      [named(name, str('a')), true],
      [named(str('x'), list([str('_AMQ_DUPL_ID')]), name, str('b'), str('y'), NULL), true],
      [named(name, binary(Buffer.from('c'))), true],
      [named(name, str('d'.repeat(250))), true],
      [named(name, NULL), false],
      [named(str('z_AMQ_DUPL_ID'), str('e')), false],
      [named(str('x'), str('_AMQ_DUPL_ID')), false],
      [message(5), false],
    ]
    const c = new Client()
    for (const [bytes, once] of rows) {
      const before = c.messages
      for (const id of [c.transfer(1, bytes), c.transfer(1, bytes)]) assert.equal(parts(c.outcome(id))[0], ACCEPTED)
      assert.equal(c.messages - before, once ? 1 : 2, bytes.toString('latin1'))
    }
    const id = c.transfer(1, named(name, str('f'.repeat(257))))
    assert.equal(condition(parts(c.outcome(id))[1][0]), 'amqp:not-allowed')
  })

  it('are rejected where their properties cannot be read', () => {
    const c = new Client()
    const broken = Buffer.from('_AMQ_DUPL_ID', 'latin1')
    const section = Buffer.concat([
      Buffer.from([0, 0x53, 0x74, 0xc1, broken.length + 3, 3, 0xa1, broken.length]),
      broken,
    ])
    const id = c.transfer(1, Buffer.concat([section, message(5)]))
    assert.equal(condition(parts(c.outcome(id))[1][0]), 'amqp:decode-error')
    assert.equal(c.messages, 0)
  })
})
