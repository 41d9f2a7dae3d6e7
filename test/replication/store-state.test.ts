// What a server keeps durably about its own copy, through restarts and a disk that fails.

import assert from 'node:assert/strict'

import type { Disk } from '../../src/journal/disk.ts'
import { STORE_FILE, StoreState } from '../../src/replication/store-state.ts'
import { seededChance } from '../support/chance.ts'
import { smallDisk } from '../support/list-sink.ts'

const open = (disk: Disk, label: 'primary' | 'secondary' = 'primary') =>
  new StoreState(disk, seededChance('store'), label)

describe('store state', () => {
  it('is made once, and found again with everything it knew', () => {
    const disk = smallDisk()
    const first = open(disk)
    assert.deepEqual([first.pairId, first.mk, first.dirty], ['', 0, false])
    first.belongTo('pair')
    first.knew(7)
    first.knew(5)
    first.setDirty(true)
    const again = open(disk)
    assert.deepEqual([again.storeId, again.pairId, again.mk, again.dirty], [first.storeId, 'pair', 7, true])
  })

  it('is written only when something changes', () => {
    const disk = smallDisk()
    let writes = 0
    const replace = disk.replace.bind(disk)
    disk.replace = (name, bytes) => {
      writes += 1
      replace(name, bytes)
    }
    const store = open(disk)
    store.knew(3)
    for (let n = 0; n < 10; n += 1) {
      store.knew(3)
      store.setDirty(false)
      store.belongTo('')
    }
    assert.equal(writes, 2)
  })

  it('remembers nothing that the disk refused', () => {
    const disk = smallDisk()
    const store = open(disk)
    disk.replace = () => {
      throw new Error('ENOSPC')
    }
    assert.throws(() => store.setDirty(true), { code: 'REPLICATION-STORE-WRITE' })
    assert.equal(store.dirty, false)
  })

  it('refuses another label, another pair and damage of any byte', () => {
    const disk = smallDisk()
    open(disk).belongTo('pair')
    assert.throws(() => open(disk, 'secondary'), { code: 'REPLICATION-STORE-LABEL' })
    assert.throws(() => open(disk).belongTo('other'), { code: 'REPLICATION-STORE-PAIR' })
    const whole = disk.read(STORE_FILE) as Uint8Array
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] as number) ^ 0x11
      disk.replace(STORE_FILE, bytes)
      assert.throws(() => open(disk), { code: 'REPLICATION-STORE-DAMAGED' }, `byte ${at}`)
      disk.replace(STORE_FILE, whole.subarray(0, at))
      assert.throws(() => open(disk), { code: 'REPLICATION-STORE-DAMAGED' }, `cut at ${at}`)
    }
  })
})
