// The register: whatever the order and however late its operations are executed, each number has one record for ever, and
// who was told won, or lost, was told the truth. And what it makes of damage, of lost records and of shares without links.

import assert from 'node:assert/strict'
import { encodeRecord } from '../../src/ha/record-text.ts'
import type { RegisterRecord } from '../../src/ha/record.ts'
import { Register } from '../../src/ha/register.ts'
import type { AppendOutcome } from '../../src/ha/register.ts'
import { ShareError } from '../../src/ha/share.ts'
import { ORIGIN } from '../../src/journal/position.ts'
import { explore, Play, wander } from '../support/explore.ts'
import type { World } from '../support/explore.ts'
import { MemoryShare, runBroken, runNow } from '../support/memory-share.ts'

const record = (seq: number, id: string): RegisterRecord => ({
  pairId: 'pair',
  seq,
  id,
  epoch: seq,
  holder: 'primary',
  inSync: [{ server: 'primary', store: 's' }],
  reason: 'take over',
  note: '',
  position: ORIGIN,
  wallMs: 0,
})

const deep = process.env['LOCK_EXPLORE_STATES'] !== undefined

/** Two servers that append, each to what it has read; after `unknown` they ask again. */
class TwoWriters implements World {
  readonly #play = new Play(2)
  readonly #registers = [new Register('/LockFile', 'a0'), new Register('/LockFile', 'a1')]
  readonly #works = [0, 0]
  readonly #asking: (RegisterRecord | null)[] = [null, null]
  readonly #told: { readonly seq: number; readonly id: string; readonly outcome: AppendOutcome }[] = []
  readonly #abandons: number
  readonly #most: number

  constructor(links: boolean, abandons: number, most: number) {
    this.#play.share.links = links
    this.#abandons = abandons
    this.#most = most
  }

  choices(): string[] {
    const found: string[] = []
    for (const i of [0, 1]) {
      if (this.#play.running[i] !== null) {
        found.push(`execute ${i}`)
        if (this.#play.abandoned < this.#abandons) found.push(`abandon ${i}`)
      } else if (this.#works[i]! < this.#most) found.push(`append ${i}`, `look ${i}`)
    }
    for (const i of this.#play.late.keys()) found.push(`late ${i}`)
    return found
  }

  take(choice: string): void {
    const [what, which] = choice.split(' ')
    const i = Number(which)
    const register = this.#registers[i]!
    if (what === 'execute') this.#play.execute(i)
    if (what === 'abandon') this.#play.abandon(i)
    if (what === 'late') this.#play.executeLate(i)
    if (what === 'look' || what === 'append') this.#works[i]! += 1
    if (what === 'look') this.#play.begin(i, 'look', register.look())
    if (what === 'append') {
      const asked = this.#asking[i] ?? record((register.record?.seq ?? 0) + 1, `${i}-${this.#works[i]}`)
      this.#asking[i] = asked
      this.#play.begin(i, `append ${asked.id}`, register.append(asked), outcome => {
        if (outcome === 'won' || outcome === 'lost') this.#asking[i] = null
        this.#told.push({ seq: asked.seq, id: asked.id, outcome: outcome as AppendOutcome })
      })
    }
  }

  broken(): string | null {
    for (const { seq, id, outcome } of this.#told) {
      const text = this.#play.share.nodes.get(`/LockFile.r${String(seq).padStart(10, '0')}`)
      const mine = text === encodeRecord(record(seq, id))
      if (outcome === 'won' && !mine) return `${id} was told that record ${seq} is its own`
      if (outcome === 'lost' && (mine || text === undefined)) return `${id} was told that record ${seq} is another's`
    }
    const numbers = this.#play.share.names('/').filter(name => name.startsWith('LockFile.r'))
    numbers.forEach((name, i) => assert.equal(name, `LockFile.r${String(i + 1).padStart(10, '0')}`, 'no gaps'))
    return null
  }

  key(): string {
    const known = this.#registers.map(r => `${r.known} ${r.record?.seq} ${r.record?.id}`)
    return [...known, JSON.stringify([this.#works, this.#asking, this.#told]), this.#play.key()].join('\n')
  }
}

describe('lock: the register', function () {
  if (deep) this.timeout(0)

  for (const links of [true, false]) {
    it(`each number has one record, in every order ${links ? 'with links' : 'without links'}`, () => {
      for (const [abandons, most] of [
        [0, 2],
        [2, 2],
      ] as const) {
        const { found } = explore(() => new TwoWriters(links, abandons, most), 60, deep ? 100_000 : 1500)
        assert.equal(found, null)
      }
      for (let seed = 1; seed <= (deep ? 20_000 : 300); seed++) {
        const { found } = wander(() => new TwoWriters(links, 12, 30), seed, 200)
        assert.equal(found, null, `seed ${seed}`)
      }
    })
  }

  const filled = (count: number): { share: MemoryShare; register: Register } => {
    const share = new MemoryShare()
    const register = new Register('/LockFile', 'a0')
    for (let seq = 1; seq <= count; seq++) assert.equal(runNow(share, register.append(record(seq, `id${seq}`))), 'won')
    return { share, register }
  }
  const codeOf = (run: () => void): string => {
    try {
      run()
    } catch (error) {
      return (error as { code: string }).code
    }
    return 'none'
  }

  it('an empty register is known to be empty, an unread one is not', () => {
    const share = new MemoryShare()
    const register = new Register('/LockFile', 'a0')
    assert.deepEqual([register.record, register.known], [null, false])
    runNow(share, register.look())
    assert.deepEqual([register.record, register.known], [null, true])
  })

  it('reads what another wrote, and leaves no temporary file', () => {
    const { share } = filled(3)
    const other = new Register('/LockFile', 'b0')
    runNow(share, other.look())
    assert.deepEqual(other.record, record(3, 'id3'))
    assert.deepEqual(share.names('/'), ['LockFile.r0000000001', 'LockFile.r0000000002', 'LockFile.r0000000003'])
  })

  it('reads its record back where a file can be opened only while it has one name, as on SMB', () => {
    const world = new MemoryShare()
    world.oneNameOnly = true
    assert.equal(runNow(world, new Register('/LockFile', 'a').append(record(1, 'one'))), 'won')
    const lost = new Register('/LockFile', 'b')
    runNow(world, lost.look())
    assert.equal(runNow(world, lost.append(record(1, 'two'))), 'lost')
    assert.deepEqual(world.names('/'), ['LockFile.r0000000001'])
  })

  it('refuses a damaged newest record, in every single byte, and does not go back to the one before', () => {
    const { share } = filled(2)
    const path = '/LockFile.r0000000002'
    const whole = share.nodes.get(path) as string
    const damaged = Array.from(whole, (c, i) => `${whole.slice(0, i)}${c === 'x' ? 'y' : 'x'}${whole.slice(i + 1)}`)
    for (const text of [...damaged, '', whole.slice(0, 40), whole.trimEnd(), encodeRecord(record(3, 'id3'))]) {
      share.nodes.set(path, text)
      const register = new Register('/LockFile', 'b0')
      // The first look may meet a record that is just being written.
      runNow(share, register.look())
      assert.equal(register.known, false)
      assert.equal(
        codeOf(() => runNow(share, register.look())),
        'LOCK-RECORD-DAMAGED',
      )
      assert.deepEqual([register.record, register.known], [null, false])
      assert.equal(
        codeOf(() => runNow(share, register.append(record(2, 'mine')))),
        'LOCK-RECORD-DAMAGED',
      )
      assert.equal(share.nodes.get(path), text)
    }
    share.nodes.set(path, whole)
    const register = new Register('/LockFile', 'b0')
    runNow(share, register.look())
    assert.equal(register.record?.id, 'id2')
  })

  it('notices that records it has seen are gone, appends nothing then, and recovers when they are back', () => {
    for (const kept of [0, 1, 2]) {
      const { share, register } = filled(3)
      const texts = new Map(share.nodes)
      for (let seq = kept + 1; seq <= 3; seq++) share.nodes.delete(`/LockFile.r000000000${seq}`)
      assert.equal(
        codeOf(() => runNow(share, register.look())),
        'LOCK-ROLLED-BACK',
      )
      assert.equal(
        codeOf(() => runNow(share, register.append(record(4, 'next')))),
        'LOCK-ROLLED-BACK',
      )
      for (const [path, text] of texts) share.nodes.set(path, text)
      runNow(share, register.look())
      assert.equal(runNow(share, register.append(record(4, 'next'))), 'won')
    }
  })

  it('says won only when record and name are flushed', () => {
    const share = new MemoryShare()
    const steps = new Register('/LockFile', 'a0').append(record(1, 'x'))
    const asked: string[] = []
    let step = steps.next()
    while (step.done !== true) {
      asked.push(`${step.value.op} ${'to' in step.value ? step.value.to : step.value.path}`)
      step = steps.next(share.apply(step.value))
    }
    const temporary = '/LockFile.tmp-0000000001-a0-1'
    const path = '/LockFile.r0000000001'
    const linked = [`create ${temporary}`, `link ${path}`, `unlink ${temporary}`]
    const wanted = [...linked, `syncdir ${path}`, 'syncdir /', `read ${path}`]
    assert.deepEqual([step.value, asked], ['won', wanted])
  })

  it('is unknown while the flush fails, and won when asked again with a flush that works', () => {
    const { share, register } = filled(1)
    const steps = register.append(record(2, 'x'))
    let step = steps.next()
    const ask = (): void => {
      while (step.done !== true) {
        const failed = { ok: false, code: 'EIO', message: '' } as const
        step = steps.next(step.value.op === 'syncdir' ? failed : share.apply(step.value))
      }
    }
    assert.throws(ask, { code: 'EIO' })
    assert.equal(runNow(share, register.append(record(2, 'x'))), 'won')
  })

  it('a record that another wrote counts only once it is flushed by whoever reads it', () => {
    const { share, register } = filled(1)
    const reader = new Register('/LockFile', 'a1')
    runNow(share, reader.look())
    // Linked, and its writer is cut off before the flush.
    const steps = register.append(record(2, 'x'))
    for (let step = steps.next(); step.done !== true; step = steps.next(share.apply(step.value)))
      if (step.value.op === 'syncdir') break
    const look = (flushes: boolean): void => {
      const looking = reader.look()
      for (let step = looking.next(); step.done !== true;) {
        const refused = step.value.op === 'syncdir' && !flushes
        step = looking.next(refused ? { ok: false, code: 'EIO', message: '' } : share.apply(step.value))
      }
    }
    assert.throws(() => look(false), { code: 'EIO' })
    // The gateway loses power: the name is gone, and nobody says that the register went back.
    const path = '/LockFile.r0000000002'
    const text = share.nodes.get(path)
    share.nodes.delete(path)
    look(true)
    assert.equal(reader.record?.seq, 1)
    assert.ok(text !== undefined)
    share.nodes.set(path, text)
    look(true)
    assert.equal(reader.record?.seq, 2)
  })

  it('leaves no gap: a record whose predecessor is not there is not written', () => {
    const { share, register } = filled(1)
    assert.equal(runNow(share, register.append(record(3, 'x'))), 'unknown')
    assert.deepEqual(share.names('/'), ['LockFile.r0000000001'])
  })

  it('keeps the newest records and all that matters, removes what is old', () => {
    const { share, register } = filled(40)
    share.nodes.set('/LockFile.tmp-0000000003-ff-1', '')
    share.nodes.set('/LockFile.tmp-0000000039-ff-1', '')
    share.nodes.set('/LockFile.tmp-0000000040-a0-77', '')
    share.nodes.set('/LockFile.r41', '')
    share.nodes.set('/other.r0000000001', '')
    for (const epoch of [7, 12, 40]) runNow(share, register.mark(epoch))
    runNow(share, register.look())
    for (let i = 0; i < 10 && register.prunable; i++) runNow(share, register.prune())
    const names = share.names('/')
    assert.deepEqual(
      names.filter(name => !/LockFile\.r00/.test(name)),
      ['LockFile.r41', 'LockFile.released-40', 'LockFile.tmp-0000000039-ff-1', 'other.r0000000001'],
    )
    assert.equal(names.filter(name => name.startsWith('LockFile.r00')).length, 17)
    assert.equal(register.releasedEpoch, 40)
    assert.equal(runNow(share, register.append(record(41, 'y'))), 'won')
  })

  it('a mark is seen by the other and can be left twice', () => {
    const { share, register } = filled(1)
    runNow(share, register.mark(1))
    runNow(share, register.mark(1))
    const other = new Register('/LockFile', 'b0')
    runNow(share, other.look())
    assert.equal(other.releasedEpoch, 1)
  })

  for (const code of ['EIO', 'EACCES', 'ENOSPC', 'ETIMEDOUT', 'ESTALE']) {
    it(`passes ${code} on and forgets nothing`, () => {
      const { share, register } = filled(2)
      assert.throws(() => runBroken(register.look(), code), ShareError)
      assert.throws(() => runBroken(register.append(record(3, 'z')), code), ShareError)
      assert.deepEqual(register.record, record(2, 'id2'))
      assert.equal(runNow(share, register.append(record(3, 'z'))), 'won')
    })
  }
})
