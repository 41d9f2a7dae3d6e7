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
    ask: () => {},
    notTaken: () => void did.push('not taken'),
    again: () => {},
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

  it('refuses at once where it follows another epoch', () => {
    const { offer, sent, did } = passive({ following: 2, applied: 1_000_000 })
    offer(1_000_000)
    assert.deepEqual(did, ['not taken'])
    assert.deepEqual(
      sent.map(frame => frame.name === 'SYNC_REFUSED' && [frame.epoch, frame.code]),
      [[3, 'HA-HANDOVER-FAILED']],
    )
  })
})
