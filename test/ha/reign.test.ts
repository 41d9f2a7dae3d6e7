// The records that a server writes in its reign, without a share: what is decided, what is asked again, what ends it.

import assert from 'node:assert/strict'
import type { ToKeeper } from '../../src/ha/keeper-link.ts'
import type { RegisterRecord } from '../../src/ha/record.ts'
import { Reign, type Draft } from '../../src/ha/reign.ts'
import { ORIGIN } from '../../src/journal/position.ts'
import { VirtualClock, VirtualHost } from '../support/virtual-clock.ts'

const RETRY_MS = 100
const me = { server: 'primary', store: 's1' } as const
const other = { server: 'secondary', store: 's2' } as const

function reigning() {
  const clock = new VirtualClock()
  const asked: (ToKeeper & { type: 'append' })[] = []
  let ids = 0
  const chance = { bytes: () => new Uint8Array(), id: () => `id${++ids}` }
  const reign = new Reign('primary', new VirtualHost(clock), chance, RETRY_MS, message => {
    if (message.type === 'append') asked.push(message)
  })
  const outcomes: boolean[] = []
  const append = (seq: number, inSync: Draft['inSync'], epoch = 0) =>
    reign.append({ pairId: 'p', seq, epoch, inSync, reason: 'join', note: '', position: ORIGIN }, won =>
      outcomes.push(won),
    )
  const answer = (outcome: 'won' | 'lost' | 'unknown') =>
    reign.appended({ type: 'appended', request: asked.at(-1)?.request ?? 0, outcome })
  return { reign, clock, asked, outcomes, append, answer }
}

const another = (seq: number): RegisterRecord => ({
  pairId: 'p',
  seq,
  id: 'theirs',
  epoch: seq,
  holder: 'secondary',
  inSync: [other],
  reason: 'take over',
  note: '',
  position: ORIGIN,
  wallMs: 0,
})

describe('a reign', () => {
  it('is what the register has confirmed, never what was only asked for', () => {
    const { reign, append, answer } = reigning()
    append(1, [me])
    assert.equal(reign.word, 'none')
    answer('won')
    assert.equal(reign.word, 'solo')
    append(2, [me, other], 1)
    assert.equal(reign.word, 'joining')
    answer('won')
    assert.equal(reign.word, 'both')
    append(3, [me], 1)
    assert.equal(reign.word, 'both')
    answer('lost')
    assert.equal(reign.word, 'both')
  })

  it('asks again with the same record while the outcome is unknown, and decides nothing', () => {
    const { reign, clock, asked, outcomes, append, answer } = reigning()
    append(1, [me])
    for (let n = 1; n < 5; n++) {
      answer('unknown')
      assert.equal(reign.word, 'none')
      clock.advance(RETRY_MS)
      assert.equal(asked.length, n + 1)
    }
    assert.equal(new Set(asked.map(({ record }) => record.id)).size, 1)
    assert.deepEqual(outcomes, [])
    answer('won')
    assert.deepEqual(outcomes, [true])
    assert.equal(reign.word, 'solo')
  })

  it('takes an answer to a former question for none', () => {
    const { reign, append, answer, outcomes } = reigning()
    append(1, [me])
    reign.appended({ type: 'appended', request: 0, outcome: 'won' })
    assert.deepEqual(outcomes, [])
    answer('won')
    assert.equal(reign.word, 'solo')
  })

  it('ends where a later record of another is there, not by its own or an older one', () => {
    const { reign, append, answer } = reigning()
    append(4, [me])
    answer('won')
    assert.equal(reign.superseded(another(3)), false)
    assert.equal(reign.superseded(another(4)), false)
    append(5, [me, other], 4)
    assert.equal(reign.superseded(reign.pending as RegisterRecord), false)
    assert.equal(reign.word, 'joining')
    assert.equal(reign.superseded(another(5)), true)
    assert.equal(reign.word, 'none')
    assert.equal(reign.pending, null)
  })
})
