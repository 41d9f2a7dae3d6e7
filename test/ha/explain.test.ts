// A peer that never came since this server started is not one that was lost.

import assert from 'node:assert/strict'
import { blockedBy } from '../../src/ha/explain.ts'
import { Notes } from '../../src/ha/notes.ts'
import type { Greeting } from '../../src/ha/parts.ts'
import { PeerLink } from '../../src/ha/peer-link.ts'
import type { BackChannel } from '../../src/replication/back-channel.ts'
import { AT_START } from '../../src/states/observation.ts'
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
      blockedBy('STANDALONE', { ...AT_START, gateway }, 'self', false, seen).join()
    assert.equal(blocked(true), 'the peer cannot be reached over the back channel')
    assert.match(blocked(false), /over the back channel; it has not been seen since this server started$/)
    assert.match(blocked(true, 'down'), /the gateway cannot be reached either/)
  })
})
