// A peer that never came since this server started is not one that was lost.

import assert from 'node:assert/strict'
import { ALL_WELL, blockedBy, unprotectedBy } from '../../src/ha/explain.ts'
import { Notes } from '../../src/ha/notes.ts'
import type { Greeting } from '../../src/ha/parts.ts'
import { PeerLink } from '../../src/ha/peer-link.ts'
import type { BackChannel } from '../../src/replication/back-channel.ts'
import { AT_START, type Observation } from '../../src/states/observation.ts'
import type { Role } from '../../src/states/roles.ts'
import { TurnClock } from '../broker/ground.ts'

describe('a peer that is not there', () => {
  it('is not called lost before it was there', () => {
    const channel = { send: () => {}, refuse: () => {} } as unknown as BackChannel
    const peer = new PeerLink(channel, 'primary', new Notes(() => {}, new TurnClock()))
    const greeting = (storeId: string) => ({ storeId, pairId: '', state: { role: 'WAITING' } }) as unknown as Greeting
    peer.up(greeting('a'))
    peer.down('it was another one')
    assert.deepEqual([peer.role, peer.seen], ['DEAD', false])
    assert.equal(peer.greeted(greeting('a'), greeting('a')), false)
    assert.equal(peer.seen, false, 'who is refused is no peer')
    assert.equal(peer.greeted(greeting('b'), greeting('a')), true)
    assert.deepEqual([peer.role, peer.seen], ['WAITING', true])
    peer.down('gone')
    assert.deepEqual([peer.role, peer.seen], ['DEAD', true])
  })

  it('is told apart by status --why', () => {
    const blocked = (seen: boolean, gateway: 'up' | 'down' = 'up'): string =>
      blockedBy('STANDALONE', { ...AT_START, gateway }, 'self', { ...ALL_WELL, peerSeen: seen }).join()
    assert.equal(blocked(true), 'the peer cannot be reached over the back channel')
    assert.match(blocked(false), /over the back channel; it has not been seen since this server started$/)
    assert.match(blocked(true, 'down'), /the gateway cannot be reached either/)
  })
})

describe('a share that is at fault', () => {
  const faulty = { ...ALL_WELL, shareFault: 'LOCK-READ-ONLY' }
  const held = { ...AT_START, lock: 'held', record: 'both', gateway: 'up' } as const
  const why = (role: Role, peer: Observation['peer']) => blockedBy(role, { ...held, peer }, 'both', faulty).join()

  it('counts for every server that serves or is to, whether it holds the lock or not', () => {
    for (const role of ['ACTIVE', 'ACTIVE SYNC', 'STANDALONE', 'PASSIVE'] as const)
      for (const lock of ['held', 'none'] as const) {
        const reasons = unprotectedBy(role, { ...held, lock, peer: 'PASSIVE' }, faulty).join()
        assert.match(reasons, /the share does not answer as it should \(LOCK-READ-ONLY\): .* could not/, role)
      }
    assert.deepEqual(unprotectedBy('ACTIVE', { ...held, peer: 'PASSIVE' }), [])
  })

  it('blocks whoever needs a record for what comes next, and only those', () => {
    const share = /the share does not answer as it should \(LOCK-READ-ONLY\): no record can be written there/
    for (const [role, peer] of [
      ['PASSIVE', 'DEAD'],
      ['WAITING', 'WAITING'],
      ['ACTIVE', 'DEAD'],
      ['ACTIVE SYNC', 'PASSIVE SYNC'],
    ] as const)
      assert.match(why(role, peer), share)
    for (const [role, peer] of [
      ['PASSIVE', 'ACTIVE'],
      ['ACTIVE', 'PASSIVE'],
      ['STANDALONE', 'DEAD'],
      ['PASSIVE SYNC', 'ACTIVE SYNC'],
    ] as const)
      assert.doesNotMatch(why(role, peer), share)
  })

  it('leaves nothing that waits without a reason: the record may be on its way', () => {
    const waits = { ...held, peer: 'WAITING', precedence: 'self', quiet: 'yes' } as const
    assert.match(blockedBy('WAITING', waits, 'both').join(), /^the lock is held, and the record .* not written yet$/)
  })
})
