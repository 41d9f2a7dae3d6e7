// Transactions in the model: each of them is all there or not there at all, whatever fails; nobody sees anything of one that
// is not committed, and its commit is answered in its place among all other answers.

import assert from 'node:assert/strict'
import { DEFAULT_ENVELOPE, isRefusal, type Outcome, type Refusal, type Transaction } from '../../src/broker/api.ts'
import { encodeMessageHead } from '../../src/broker/message-record.ts'
import { GROUP, MESSAGE } from '../../src/broker/records.ts'
import type { RecordView } from '../../src/journal/commit.ts'
import { idIn, modelLimits, viewsOf, wouldExceed } from './model-fold.ts'
import { Pair, QUEUES } from './model.ts'
import type { ModelTaker } from './model-taker.ts'

interface Open {
  readonly transaction: Transaction
  readonly sends: { readonly queue: string; readonly id: string; readonly bytes: number }[]
  readonly taken: { taker: ModelTaker; sequence: number; outcome: Outcome; here: boolean }[]
  bytes: number
  /** A step was refused: it cannot be committed. */
  failed: boolean
}

export class TransactionalPair extends Pair {
  #open: Open[] = []
  /** Messages that one commit would bring in. */
  readonly #groups: string[][] = []
  readonly counts = { commits: 0, rollbacks: 0, refusedCommits: 0, wholeGroups: 0, lostGroups: 0 }

  begin(): void {
    if (this.#open.length >= 3) return
    const transaction = this.broker.begin()
    assert.ok(!isRefusal(transaction))
    this.#open.push({ transaction, sends: [], taken: [], bytes: 0, failed: false })
  }

  sendIn(at: number, queue: number, bytes: number): void {
    const open = this.#at(at)
    const name = QUEUES[queue % QUEUES.length] as string
    const target = this.broker.target(name)
    if (open === null || isRefusal(target)) return
    const id = `m${this.nextId++}`
    const refusal = open.transaction.publish(target, Buffer.from(id.padEnd(bytes)), DEFAULT_ENVELOPE)
    const isTooMuch = open.bytes + Math.max(bytes, id.length) > modelLimits.messageBytes
    assert.equal(refusal !== null, isTooMuch)
    if (isTooMuch) open.failed = true
    else {
      open.sends.push({ queue: name, id, bytes })
      open.bytes += Math.max(bytes, id.length)
    }
  }

  settleIn(at: number, of: number, which: number, outcome: Outcome, here: boolean): void {
    const open = this.#at(at)
    const taker = this.takers[of % Math.max(1, this.takers.length)]
    const sequence = taker?.owned[which % taker.owned.length]
    if (open === null || taker === undefined || sequence === undefined) return
    assert.equal(open.transaction.settle(taker.subscription, sequence, outcome, here), null)
    taker.owned.splice(taker.owned.indexOf(sequence), 1)
    this.out.set(sequence, 'taken')
    open.taken.push({ taker, sequence, outcome, here })
    taker.subscription.settle(sequence, 'released') // it is the transaction's: ignored
  }

  commitIn(at: number): void {
    const open = this.#take(at)
    if (open === null) return
    const { reign } = this
    const tag = ++this.nextId
    const ids = open.sends.map(({ id }) => id)
    const before = this.bench.log.last
    const crowded = this.bench.log.fault !== null
    const isRecorded = open.sends.length > 0 || open.taken.some(({ outcome }) => outcome !== 'released')
    const isRefused = open.failed || (isRecorded && crowded) || this.#exceeds(open)
    let refused: Refusal | null = null
    let told = 0
    const done = (refusal: Refusal | null): void => {
      assert.equal(++told, 1, 'a commit is answered once')
      refused = refusal
      if (refusal !== null) return
      assert.equal(reign, this.reign, 'nobody is answered after the reign')
      this.mustProve('a commit')
      if (!isRecorded) return
      this.waiting.delete(tag)
      for (const other of this.waiting.keys()) assert.ok(other > tag, 'answers come in order')
      if (ids.length === 0) return
      const records = this.bench.log.records.slice(0, this.safe)
      assert.ok(records.some(record => hasAll(record, ids)), 'a commit is answered when all of it is safe') // prettier-ignore
      for (const id of ids) this.acknowledged.add(id)
    }
    if (!isRefused) {
      if (isRecorded) this.waiting.set(tag, `group ${tag}`)
      this.#groups.push(ids)
      this.#settleAll(open)
    }
    open.transaction.commit(done)
    assert.equal(refused !== null, isRefused)
    if (isRefused) {
      assert.ok(!this.bench.log.records.slice(before).some(({ kind }) => kind === GROUP), 'nothing of it is recorded')
      this.counts.refusedCommits++
      this.#giveBack(open)
    } else this.counts.commits++
  }

  rollbackIn(at: number): void {
    const open = this.#take(at)
    if (open === null) return
    this.counts.rollbacks++
    open.transaction.rollback()
    this.#giveBack(open)
  }

  override failover(how: Parameters<Pair['failover']>[0]): void {
    super.failover(how)
    this.#open = []
  }

  override resume(): void {
    super.resume()
    this.#open = []
  }

  override heal(): void {
    while (this.#open.length > 0) this.rollbackIn(0)
    super.heal()
    const views = this.bench.log.records.flatMap(viewsOf).filter(({ kind }) => kind === MESSAGE)
    const came = new Set(views.map(idIn))
    for (const ids of this.#groups) {
      const there = ids.filter(id => came.has(id)).length
      assert.ok(there === 0 || there === ids.length, `a transaction came in part: ${there} of ${ids.length}`)
      if (there > 0) this.counts.wholeGroups++
      else if (ids.length > 0) this.counts.lostGroups++
    }
  }

  #at(at: number): Open | null {
    return this.#open[at % Math.max(1, this.#open.length)] ?? null
  }

  #take(at: number): Open | null {
    const open = this.#at(at)
    if (open !== null) this.#open.splice(this.#open.indexOf(open), 1)
    return open
  }

  /** By the limits' own words, one message after the other, as if each had its record. */
  #exceeds({ sends }: Open): boolean {
    const records = [...this.bench.log.records]
    return sends.some(({ queue, id, bytes }) => {
      const body = Buffer.from(id.padEnd(bytes))
      if (wouldExceed(this.fold, records, queue, body.length)) return true
      const head = encodeMessageHead(this.#idOf(queue))
      const sequence = records.length + 1
      records.push({ sequence, epoch: 0, kind: MESSAGE, body: Buffer.concat([head, body]) } satisfies RecordView)
      return false
    })
  }

  #idOf(queue: string): number {
    const { records } = this.bench.log
    return (records.find(({ kind, body }) => kind === 16 && Buffer.from(body).toString().endsWith(queue)) as RecordView)
      .sequence
  }

  #settleAll({ taken }: Open): void {
    for (const { taker, sequence, outcome, here } of taken) {
      const removes = outcome === 'accepted' || outcome === 'rejected'
      if (removes) this.settleAsked.add(this.idOf(sequence))
      else if (here && !taker.ended) taker.shunned.add(sequence)
      if (outcome === 'released') this.out.delete(sequence)
      else this.out.set(sequence, removes ? 'settling' : 'returning')
    }
  }

  #giveBack({ taken }: Open): void {
    for (const { taker, sequence } of taken) {
      if (taker.ended) this.out.delete(sequence)
      else {
        this.out.set(sequence, 'owned')
        taker.owned.push(sequence)
      }
    }
  }
}

function hasAll(record: RecordView, ids: readonly string[]): boolean {
  if (record.kind !== GROUP) return false
  const there = new Set(viewsOf(record).filter(({ kind }) => kind === MESSAGE).map(idIn)) // prettier-ignore
  return ids.every(id => there.has(id))
}
