// The LockFile that is deleted, rolled back, damaged or another pair's, under a running pair and at a restart: the pair
// that runs goes on, nobody begins to serve from it, and the operator has a way out that is recorded.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { other, type Label } from '../support/drill.ts'
import { die, eventually, hasRole, lockstep, newestRecord, pause, Served } from './ground.ts'
import { story } from './lanes.ts'

story('a LockFile that is not what it was', lane => {
  let served: Served
  let share: string
  let active: Label
  const labels = ['primary', 'secondary'] as const

  lane.before = async () => {
    served = await Served.start({ passiveLockAcquisitionInterval: 2000 })
    share = join(served.drill.folder, 'share')
    active = served.active
  }
  lane.after = () => served?.end()
  lane.afterEach = failed => {
    if (failed) console.log(served.drill.logs().split('\n').slice(-60).join('\n'))
  }

  const empty = () => {
    for (const name of readdirSync(share)) rmSync(join(share, name), { recursive: true, force: true })
  }
  const keep = (name: string) => cpSync(share, join(served.drill.folder, name), { recursive: true })
  const restore = (name: string) => {
    empty()
    cpSync(join(served.drill.folder, name), share, { recursive: true })
  }
  const toldSince = (from: Record<Label, number>, code: string) =>
    Promise.all(labels.map(label => served.drill.server(label).line(code, from[label])))
  const linesNow = () => ({
    primary: served.drill.server('primary').lines.length,
    secondary: served.drill.server('secondary').lines.length,
  })

  /** Both are killed and started again; the code comes after a lease at the earliest, and neither serves. */
  const nobodyServes = async (code: string, why: RegExp) => {
    const { drill } = served
    await Promise.all(labels.map(label => die(drill.server(label))))
    for (const label of labels) drill.start(label)
    await Promise.all(labels.map(label => drill.server(label).line(code)))
    await pause(1500)
    for (const label of labels) {
      assert.doesNotMatch(drill.server(label).log, /(Primary|Secondary) Server switched to (ACTIVE|STANDALONE)/)
      const { code: exit, out } = await lockstep('status', join(drill.folder, label), '--why')
      assert.equal(exit, 0)
      assert.match(out, why)
    }
  }

  lane.step('rolled back under a running pair: said on both consoles, the client does not notice', async () => {
    const { drill } = served
    keep('older')
    assert.equal((await drill.post(active, '/switchover')).status, 200)
    active = await drill.settled()
    served.follow(active)
    await served.client.progress(200)
    await eventually('the new record is on the share', () => newestRecord(drill)['reason'] === 'hand over')
    keep('newer')
    const from = linesNow()
    await served.unhurt(async () => {
      restore('older')
      await toldSince(from, 'LOCK-ROLLED-BACK')
      await pause(2500)
      restore('newer')
      await toldSince(from, 'works again')
    })
  })

  lane.step('deleted under a running pair: said on both consoles, the client does not notice', async () => {
    const from = linesNow()
    await served.unhurt(async () => {
      empty()
      await toldSince(from, 'LOCK-ROLLED-BACK')
      await pause(2500)
    })
  })

  lane.step(
    'which leaves neither protected; the active one stopped all the same, the passive one is forced',
    async () => {
      const { drill } = served
      for (const label of labels) {
        const { out } = await lockstep('status', join(drill.folder, label), '--why')
        assert.match(out, /^protected +NO: .*the register beside the LockFile went back \(LOCK-ROLLED-BACK\)/m)
      }
      const first = active
      active = other(first)
      const refused = await lockstep('stop', join(drill.folder, first))
      assert.match(refused.out, /HA-STOP-UNCOVERED/)
      const stopped = await lockstep('stop', join(drill.folder, first), '--anyway')
      assert.equal(stopped.code, 0, stopped.out)
      const target = join(drill.folder, active)
      await eventually('it is said what blocks', async () =>
        /no record is written over that/.test((await lockstep('status', target, '--why')).out),
      )
      const forced = await lockstep('force-active', target, '--accept-loss', '--reason', 'the files are gone')
      assert.equal(forced.code, 0, forced.out)
      await hasRole(drill, active, 'STANDALONE')
      drill.start(first)
      assert.equal(await drill.settled(), active)
      served.follow(active)
      await served.client.progress(200)
    },
  )

  lane.step(
    'deleted or rolled back, and both restarted: nobody serves until an operator forces one, which is recorded',
    async () => {
      const { drill } = served
      empty()
      await nobodyServes('REGISTER-BEHIND', /rolled back, deleted/)
      restore('older')
      await pause(1500)
      for (const label of labels) assert.equal((await drill.status(label))?.role, 'WAITING')
      empty()
      const target = join(drill.folder, active)
      const wrong = [['--reason', 'a drill'], ['--accept-loss'], ['--accept-loss', '--reason', ' ']]
      for (const { code, out } of await Promise.all(wrong.map(words => lockstep('force-active', target, ...words))))
        assert.equal(code, 2, out)
      const { code, out } = await lockstep('force-active', target, '--accept-loss', '--reason', 'the share was lost')
      assert.equal(code, 0, out)
      await drill
        .server(active)
        .line('force-active: the loss of what only the peer may hold is accepted: the share was lost')
      assert.equal(await drill.settled(), active)
      served.follow(active)
      await served.client.progress(200)
      const records = readdirSync(share)
        .filter(name => /\.r\d+$/.test(name))
        .map(name => JSON.parse(readFileSync(join(share, name), 'utf8')) as { record: Record<string, unknown> })
      const forced = records.find(({ record }) => record['reason'] === 'force active')?.record
      assert.ok(forced, 'the register has the record of it')
      assert.equal(forced['note'], 'the share was lost')
      assert.equal(forced['holder'], active)
      const events = (await (await fetch(`http://127.0.0.1:${drill.admin[active]}/events`)).json()) as {
        line: string
      }[]
      assert.ok(
        events.some(event => event.line.includes('the share was lost')),
        'the events have it',
      )
      const again = await lockstep('force-active', target, '--accept-loss', '--reason', 'once more')
      assert.equal(again.code, 1)
      assert.match(again.out, /HA-NOT-FORCIBLE/)
    },
  )

  lane.step('another pair’s, and then a damaged one, at a restart: nobody serves', async () => {
    const { drill } = served
    keep('ours')
    const names = readdirSync(share).filter(name => /\.r\d+$/.test(name))
    for (const name of names) {
      const { record } = JSON.parse(readFileSync(join(share, name), 'utf8')) as { record: Record<string, unknown> }
      const body = JSON.stringify({ ...record, pairId: '00000000000000ff' })
      const sum = createHash('sha256').update(body).digest('hex').slice(0, 16)
      writeFileSync(join(share, name), `{"record":${body},"sum":"${sum}"}\n`)
    }
    await nobodyServes('HA-FOREIGN-LOCKFILE', /another pair/)
    await Promise.all(labels.map(label => die(drill.server(label))))
    restore('ours')
    const newest = join(share, names.sort().at(-1) as string)
    writeFileSync(newest, readFileSync(newest, 'utf8').replace('"seq"', '"sEq"'))
    await Promise.all(labels.map(label => drill.start(label).line('LOCK-RECORD-DAMAGED')))
    await Promise.all(labels.map(label => hasRole(drill, label, 'WAITING')))
    await pause(1000)
    for (const label of labels) assert.equal((await drill.status(label))?.role, 'WAITING')
    restore('ours')
    active = await drill.settled()
    served.follow(active)
    await served.client.progress(200)
  })

  lane.step('lost nothing', async () => {
    await hasRole(served.drill, other(active), 'PASSIVE')
    await served.nothingLost()
  })
})
