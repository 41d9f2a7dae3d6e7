// The passive side of a handover: what is offered is taken only by a server that can go on at once.

import assert from 'node:assert/strict'
import { Handover, type HandoverCalls } from '../../src/ha/handover.ts'
import type { Parts } from '../../src/ha/parts.ts'
import type { Frame } from '../../src/replication/frames.ts'

function passive(receiver: { readonly following: number; readonly applied: number }) {
  const sent: Frame[] = []
  const did: string[] = []
  const parts = {
    receiver: {
      ...receiver,
      reach: (_: unknown, then: () => void) => {
        did.push('reach')
        then()
      },
      adoptAll: (then: () => void) => {
        did.push('adopt')
        then()
      },
    },
    journal: { last: { sequence: 1_000_000 } },
    channel: { send: (frame: Frame) => sent.push(frame) },
  } as unknown as Parts
  const calls: HandoverCalls = {
    probe: after => void did.push(`probe ${after}`),
    resume: () => {},
    take: (_, decided) => {
      did.push('take')
      decided(true)
    },
    taken: () => {},
    ended: () => {},
  }
  const handover = new Handover(parts, calls)
  const offer = (sequence: number): void =>
    handover.offered({ epoch: 3, recordSeq: 7, position: { epoch: 3, sequence, digest: 0 }, token: '' })
  return { handover, offer, sent, did }
}

describe('handover: the passive side', () => {
  it('takes what it has, once everything is durable and folded', () => {
    const { offer, sent, did } = passive({ following: 3, applied: 990 })
    offer(1000)
    assert.deepEqual(did, ['reach', 'adopt', 'take'])
    assert.deepEqual(sent, [])
  })

  it('refuses at once where it follows another epoch', () => {
    const { offer, sent, did } = passive({ following: 2, applied: 1_000_000 })
    offer(1_000_000)
    assert.deepEqual(did, [])
    assert.deepEqual(
      sent.map(frame => frame.name === 'SYNC_REFUSED' && [frame.epoch, frame.code]),
      [[3, 'HA-HANDOVER-FAILED']],
    )
  })
})

describe('handover: the question before', () => {
  const answers = (sent: readonly Frame[]) => sent.map(frame => frame.name === 'HANDOVER_PREPARED' && frame.reason)

  it('is answered by what the keeper found out, once', () => {
    for (const fault of [null, 'ENOSPC: no space left']) {
      const { handover, sent, did } = passive({ following: 3, applied: 999_990 })
      handover.prepare({ epoch: 3, recordSeq: 7 }, 'PASSIVE')
      assert.deepEqual(did, ['probe 7'])
      assert.deepEqual(sent, [])
      handover.probed(fault)
      handover.probed(fault)
      assert.deepEqual(answers(sent), [
        fault === null ? '' : `it could not write its record beside the LockFile: ${fault}`,
      ])
    }
  })

  for (const [why, state, role, reason] of [
    ['is not passive', { following: 3, applied: 1_000_000 }, 'PASSIVE SYNC', /^it is PASSIVE SYNC$/],
    ['follows another epoch', { following: 2, applied: 1_000_000 }, 'PASSIVE', /^it does not follow this epoch$/],
    ['has long to fold', { following: 3, applied: 899_999 }, 'PASSIVE', /^it still has 100001 records to fold/],
    ['must build its state anew', { following: 3, applied: -1 }, 'PASSIVE', /^it still has 1000001 records to fold/],
  ] as const)
    it(`is answered with no at once where it ${why}, so that the active server serves on`, () => {
      const { handover, sent, did } = passive(state)
      handover.prepare({ epoch: 3, recordSeq: 7 }, role)
      assert.deepEqual(did, [])
      assert.match(String(answers(sent)), reason)
    })
})
