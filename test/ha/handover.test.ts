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
    channel: { send: (frame: Frame) => sent.push(frame) },
  } as unknown as Parts
  const calls: HandoverCalls = {
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
  return { offer, sent, did }
}

describe('handover: the passive side', () => {
  it('takes what it has, once everything is durable and folded', () => {
    const { offer, sent, did } = passive({ following: 3, applied: 990 })
    offer(1000)
    assert.deepEqual(did, ['reach', 'adopt', 'take'])
    assert.deepEqual(sent, [])
  })

  for (const [why, state, code] of [
    ['follows another epoch', { following: 2, applied: 1_000_000 }, 'HA-HANDOVER-FAILED'],
    ['has long to fold', { following: 3, applied: 899_999 }, 'HA-HANDOVER-NOT-YET'],
    ['must build its state anew', { following: 3, applied: -1 }, 'HA-HANDOVER-NOT-YET'],
  ] as const)
    it(`refuses at once where it ${why}, so that the active server serves on`, () => {
      const { offer, sent, did } = passive(state)
      offer(1_000_000)
      assert.deepEqual(did, [])
      assert.deepEqual(
        sent.map(frame => frame.name === 'SYNC_REFUSED' && [frame.epoch, frame.code]),
        [[3, code]],
      )
    })
})
