// A keeper that answers nothing is told after half a lease and given up after a whole one; a broker that stood still itself
// blames nobody.

import assert from 'node:assert/strict'
import { KeeperWatch } from '../../src/ha/keeper-watch.ts'
import { VirtualClock, VirtualHost } from '../support/virtual-clock.ts'

const LEASE = 3000

function watched() {
  const clock = new VirtualClock()
  const host = new VirtualHost(clock)
  const told: string[] = []
  const watch = new KeeperWatch(host, LEASE, {
    silent: silent => void told.push(silent ? 'silent' : 'heard'),
    dead: () => void told.push('dead'),
  })
  return { clock, host, watch, told }
}

describe('the watch over the keeper', () => {
  it('says nothing while it answers', () => {
    const { clock, watch, told } = watched()
    for (let n = 0; n < 100; n++) {
      clock.advance(LEASE / 2 - 400)
      watch.heard()
    }
    assert.deepEqual(told, [])
  })

  it('tells of its silence after half a lease, of its voice at once, and gives it up after a whole lease, once', () => {
    const { clock, watch, told } = watched()
    clock.advance(LEASE / 2 + LEASE / 8)
    assert.deepEqual(told, ['silent'])
    assert.equal(watch.silent, true)
    watch.heard()
    assert.deepEqual(told, ['silent', 'heard'])
    clock.advance(LEASE - 1)
    assert.deepEqual(told, ['silent', 'heard', 'silent'])
    clock.advance(LEASE / 8 + 1)
    assert.deepEqual(told.at(-1), 'dead')
    clock.advance(10 * LEASE)
    assert.equal(told.filter(word => word === 'dead').length, 1)
  })

  it('counts anew after it stood still itself: what the keeper said lies in the pipe', () => {
    const { clock, host, told } = watched()
    host.frozen = true
    clock.advance(5 * LEASE)
    host.frozen = false
    clock.advance(LEASE / 4)
    assert.deepEqual(told, [])
    clock.advance(2 * LEASE)
    assert.deepEqual(told, ['silent', 'dead'])
  })
})
