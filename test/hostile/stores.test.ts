// Data directories that are full, damaged or stale. What can't be trusted does not serve: the other server does, nothing
// acknowledged is lost, and where an operator accepts a loss, what is put aside can be had back.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { other, type Drill, type Label } from '../support/drill.ts'
import { die, hasRole, lockstep, newestRecord, pause, Served, system } from './ground.ts'
import { skip, story } from './lanes.ts'
import { patient } from '../support/patience.ts'

const SMALL = {
  'limits.messageBytes': 64 * 1024,
  'limits.journalSegmentBytes': 512 * 1024,
  'limits.snapshotEveryBytes': 1024 * 1024,
}
const dataOf = (drill: Drill, label: Label) => join(drill.folder, label, 'data')

story('a disk of the data directory that is full', lane => {
  let served: Served
  const mounts: string[] = []

  lane.before = async () => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0)
      skip('only root on Linux may mount the small disks that this needs')
    served = await Served.start(SMALL, drill => {
      for (const label of ['primary', 'secondary'] as const) {
        mkdirSync(dataOf(drill, label))
        mounts.push(dataOf(drill, label))
        assert.ok(system('mount', '-t', 'tmpfs', '-o', 'size=32m,mode=0755', 'none', dataOf(drill, label)))
      }
    })
  }
  lane.after = async () => {
    await served?.client.end()
    for (const server of served?.drill.servers.values() ?? []) if (server.running) await die(server)
    for (const folder of mounts) system('umount', '-l', folder)
    await served?.drill.end()
  }
  lane.afterEach = failed => {
    if (failed) console.log(served.drill.logs().split('\n').slice(-60).join('\n'))
  }

  const fill = (label: Label) => {
    for (let size = 1 << 22; size >= 4096; size >>= 1)
      try {
        for (let i = 0; ; i++)
          writeFileSync(join(dataOf(served.drill, label), `ballast-${size}-${i}`), Buffer.alloc(size))
      } catch {
        // full to within this size
      }
  }
  const clear = (label: Label) => {
    const folder = dataOf(served.drill, label)
    for (const name of readdirSync(folder)) if (name.startsWith('ballast')) rmSync(join(folder, name))
  }

  for (const which of ['active', 'passive'] as const)
    lane.step(
      `of the ${which} server: it stops and says why, the other one serves, and it comes back when there is room`,
      async () => {
        const { drill, client, active } = served
        const label = which === 'active' ? active : other(active)
        const server = drill.server(label)
        await client.forgetGaps()
        fill(label)
        assert.equal(await server.exit, 1)
        assert.match(server.log, /ERROR (HA-JOURNAL-FAILED|JOURNAL-FULL|JOURNAL-FAILED|REPLICATION-STORE-WRITE): /)
        await hasRole(drill, other(label), 'STANDALONE')
        const { gaps } = await client.progress(300)
        const longest = Math.max(0, ...gaps.map(([ms]) => ms))
        assert.ok(longest < patient(5000), `nothing was acknowledged for ${longest.toFixed(0)} ms`)
        clear(label)
        drill.start(label)
        served.follow(await drill.settled())
        assert.equal(served.active, other(label), 'who comes back takes the standby role')
      },
    )

  lane.step('lost nothing', () => served.nothingLost())
})

story('a data directory that must not serve', lane => {
  let served: Served
  let alone: Label
  let stale: Label

  lane.before = async () => {
    served = await Served.start({ ...SMALL, passiveLockAcquisitionInterval: 2000, startupGrace: 2000 })
    stale = served.active
    alone = other(stale)
  }
  lane.after = () => served?.end()
  lane.afterEach = failed => {
    if (failed) console.log(served.drill.logs().split('\n').slice(-60).join('\n'))
  }

  lane.step('stale: stays WAITING, says why, and serves only when an operator accepts the loss', async () => {
    const { drill, client } = served
    await die(drill.server(stale))
    await hasRole(drill, alone, 'STANDALONE')
    await client.progress(500) // what only this one has
    await die(drill.server(alone))
    const server = drill.start(stale)
    await hasRole(drill, stale, 'WAITING')
    await pause(3500) // grace, lease and a look
    assert.doesNotMatch(server.log, /Server switched to (ACTIVE|STANDALONE)/)
    const target = join(drill.folder, stale)
    const why = await lockstep('status', target, '--why')
    assert.match(why.out, /stale and must not serve \(P3\)/)
    assert.equal((await fetch(`http://127.0.0.1:${drill.admin[stale]}/health/active`)).status, 503)
    const without = await lockstep('force-active', target, '--reason', 'no other way')
    assert.equal(without.code, 2)
    assert.match(without.out, /--accept-loss/)
    const forced = await lockstep('force-active', target, '--accept-loss', '--reason', 'no other way')
    assert.equal(forced.code, 0, forced.out)
    await hasRole(drill, stale, 'STANDALONE')
    const record = newestRecord(drill)
    assert.equal(record['reason'], 'force active')
    assert.equal(record['note'], 'no other way')
    assert.equal(record['holder'], stale)
    await client.progress(300)
  })

  lane.step('diverged: what only it has goes to quarantine, named, listed and exported; then it follows', async () => {
    const { drill, client } = served
    const server = drill.start(alone)
    served.follow(await drill.settled())
    assert.equal(served.active, stale)
    await server.line('were put aside as')
    const [, name] = /were put aside as (\S+?);? see/.exec(server.log) ?? []
    const target = join(drill.folder, alone)
    const list = await lockstep('quarantine', target, 'list')
    assert.equal(list.code, 0, list.out)
    assert.ok(name && list.out.includes(name), `${name} in ${list.out}`)
    const count = Number(/records \d+ to \d+ \((\d+),/.exec(list.out)?.[1])
    assert.ok(count >= 10, `${count} records`)
    const file = join(drill.folder, 'aside.jsonl')
    const exported = await lockstep('quarantine', target, 'export', name, '--output', file)
    assert.equal(exported.code, 0, exported.out)
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    assert.equal(lines.length, count)
    const messages = lines.map(line => JSON.parse(line) as { record: string; queue: string; text: string })
    for (const { record, queue } of messages.filter(({ record }) => record !== 'other')) assert.ok(queue, record)
    assert.ok(messages.some(({ record, text }) => record === 'message' && text !== null))
    await client.progress(200)
  })

  lane.step(
    'damaged in the middle: not started, with file and offset; an empty one is filled by the peer',
    async () => {
      const { drill } = served
      const passive = alone
      const before = drill.server(passive)
      before.signal('keeper', 'SIGTERM')
      await before.exit
      const folder = join(dataOf(drill, passive), 'journal')
      const segments = readdirSync(folder)
        .filter(name => /^journal-\d+$/.test(name))
        .sort()
        .map(name => ({ name, bytes: readFileSync(join(folder, name)) }))
        .filter(({ bytes }) => bytes.subarray(20_000, 20_100).some(byte => byte !== 0))
      const [segment] = segments
      assert.ok(segment, 'there is a segment with records')
      segment.bytes[20_000] = (segment.bytes[20_000] as number) ^ 0xff
      writeFileSync(join(folder, segment.name), segment.bytes)
      const refused = drill.start(passive)
      assert.equal(await refused.exit, 1)
      assert.match(refused.log, new RegExp(`JOURNAL-DAMAGED: The file ${segment.name} is damaged at offset \\d+`))
      renameSync(dataOf(drill, passive), join(drill.folder, 'damaged'))
      drill.start(passive)
      served.follow(await drill.settled())
      await served.client.progress(200)
    },
  )
})
