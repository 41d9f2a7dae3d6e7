// Could the other server go on without this one? Both ends of the question.

import assert from 'node:assert/strict'
import type { Parts } from '../../src/ha/parts.ts'
import { PeerQuestion, type PeerAnswer } from '../../src/ha/peer-question.ts'
import type { RegisterRecord } from '../../src/ha/record.ts'
import type { Frame } from '../../src/replication/frames.ts'
import type { Role } from '../../src/states/roles.ts'
import { VirtualClock, VirtualHost } from '../support/virtual-clock.ts'

const OPERATION_MS = 500

interface At {
  readonly following?: number
  readonly applied?: number
  readonly pending?: boolean
  readonly own?: number
}

function end({ following = 3, applied = 1_000_000, pending = false, own = 0 }: At = {}) {
  const sent: Frame[] = []
  const probes: number[] = []
  const clock = new VirtualClock()
  const record = { seq: own } as RegisterRecord
  const reign = { now: own > 0 ? { epoch: 3, record } : null, pending: pending ? record : null }
  const parts = {
    clock: new VirtualHost(clock),
    intervals: { operationMs: OPERATION_MS },
    receiver: { following, applied },
    journal: { last: { sequence: 1_000_000 } },
    channel: { send: (frame: Frame) => void sent.push(frame) },
    keeper: { send: ({ after }: { after: number }) => void probes.push(after) },
  } as unknown as Parts
  return { question: new PeerQuestion(parts, reign), sent, probes, clock }
}

const answers = (sent: readonly Frame[]) =>
  sent.map(frame => frame.name === 'COVER_ANSWER' && [frame.number, frame.able, frame.reason])

describe('the question whether the other server could go on: the one who is asked', () => {
  it('answers what its keeper found out, once', () => {
    for (const [fault, able, reason] of [
      [null, 'yes', ''],
      ['ENOSPC: no space left', 'no', 'it could not write its record beside the LockFile: ENOSPC: no space left'],
    ] as const) {
      const { question, sent, probes } = end()
      question.asked({ number: 4, epoch: 3, recordSeq: 7 }, 'PASSIVE')
      assert.deepEqual([probes, sent.length], [[7], 0])
      question.probed(fault)
      question.probed(fault)
      assert.deepEqual(answers(sent), [[4, able, reason]])
    }
  })

  for (const [why, at, role, reason] of [
    ['is not passive', {}, 'PASSIVE SYNC', /^it is PASSIVE SYNC$/],
    ['follows another epoch', { following: 2 }, 'PASSIVE', /^it does not follow this epoch$/],
    ['waits for a record of its own', { pending: true }, 'PASSIVE', /^an earlier record of its own is not decided/],
    ['has long to fold', { applied: 899_999 }, 'PASSIVE', /^it still has 100001 records to fold/],
    ['must build its state anew', { applied: -1 }, 'PASSIVE', /^it still has 1000001 records to fold/],
  ] as const satisfies (readonly [string, At, Role, RegExp])[])
    it(`says later where it ${why}, and no where it could not write either`, () => {
      for (const fault of [null, 'gone']) {
        const { question, sent } = end(at)
        question.asked({ number: 1, epoch: 3, recordSeq: 7 }, role)
        question.probed(fault)
        const [answer] = answers(sent)
        assert.ok(answer)
        assert.equal(answer[1], fault === null ? 'later' : 'no')
        if (fault === null) assert.match(String(answer[2]), reason)
      }
    })

  it('tries, as the active one, the record that would follow its own', () => {
    const { question, sent, probes } = end({ own: 9, following: 0, applied: 0 })
    question.asked({ number: 1, epoch: 3, recordSeq: 8 }, 'ACTIVE')
    question.probed(null)
    assert.deepEqual([probes, answers(sent)], [[9], [[1, 'yes', '']]])
  })

  it('owes no answer to a channel that is gone', () => {
    const { question, sent } = end()
    question.asked({ number: 1, epoch: 3, recordSeq: 7 }, 'PASSIVE')
    question.channelDown()
    question.probed(null)
    assert.deepEqual(sent, [])
  })
})

describe('the question whether the other server could go on: the one who asks', () => {
  it('is told the answer to its newest question, once, and no answer as one', () => {
    const { question, sent, clock } = end()
    const told: PeerAnswer['able'][] = []
    const ask = () => question.ask(3, 7, ({ able }) => told.push(able))
    ask()
    ask()
    assert.equal(sent.length, 1, 'two who ask are one question')
    question.answered({ number: 1, able: 'yes', reason: '' })
    question.answered({ number: 1, able: 'yes', reason: '' })
    assert.deepEqual(told, ['yes', 'yes'])
    ask()
    question.answered({ number: 1, able: 'yes', reason: '' })
    assert.equal(told.length, 2, 'late, and of another question')
    clock.advance(4 * OPERATION_MS)
    assert.deepEqual(told, ['yes', 'yes', 'no'])
    ask()
    question.channelDown()
    clock.advance(60_000)
    assert.deepEqual(told, ['yes', 'yes', 'no', 'gone'])
  })
})
