// Servers that should not be: with a wrong secret, a third one, a second primary, the same profile twice, intervals that
// differ, data directories and LockFiles of others. Each is refused with a coded error, and the running pair with its
// client does not notice.
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { other, type Label } from '../support/drill.ts'
import { endAlso, likeness, onTheShare, pause, portOf, relabel, Served, startAlso } from './ground.ts'
import { story } from './lanes.ts'

const SECRET = 'the secret of this pair'
/** A dozen servers on one machine: pings may take their time. */
const CALM = { pingInterval: 1500, activeLockReacquisitionInterval: 1500, passiveLockAcquisitionInterval: 6000 }

story('servers that should not be, beside a running pair', lane => {
  let served: Served

  lane.before = async () => {
    served = await Served.start({ ...CALM, 'security.pairSecret': SECRET })
  }
  lane.after = () => served?.end()
  lane.afterEach = async failed => {
    await endAlso(served.drill)
    if (failed) console.log(served.drill.logs().split('\n').slice(-40).join('\n'))
  }

  /** A server beside the pair that claims to be `label`, its back channel straight to the other one's. */
  const claim = async (name: string, label: Label, changes: Record<string, unknown> = {}) => {
    const { drill } = served
    const folder = await likeness(drill, label, name, { backupHAPort: portOf(drill, other(label)), ...changes })
    return startAlso(label, folder)
  }

  /** Nothing on the share has changed, but for the lock's renewals. */
  const shareUntouched = async (act: () => Promise<void>) => {
    const before = onTheShare(served.drill)
    await act()
    assert.equal(onTheShare(served.drill), before)
  }

  lane.step(
    'a wrong secret, a third server for either, a second primary, all at once: kept out, said on both consoles',
    async () => {
      const { drill, active } = served
      const passive = other(active)
      const from = { [active]: drill.server(active).lines.length, [passive]: drill.server(passive).lines.length }
      const told = (label: Label, code: string) => drill.server(label).line(code, from[label])
      await served.unhurt(() =>
        shareUntouched(async () => {
          const stranger = await claim('secret', passive, { 'security.pairSecret': 'another secret, wrong' })
          const thirdPassive = await claim('third-passive', passive)
          const thirdActive = await claim('third-active', active)
          const primary = await claim('two', 'primary', { backupHAPort: portOf(drill, 'primary') })
          await Promise.all([
            ...[stranger.line('CHANNEL-SECRET'), told(active, 'CHANNEL-SECRET')],
            ...[thirdPassive.line('CHANNEL-THIRD'), told(active, 'CHANNEL-THIRD')],
            ...[thirdActive.line('CHANNEL-THIRD'), told(passive, 'CHANNEL-THIRD')],
            ...[primary.line('CHANNEL-LABEL'), told('primary', 'CHANNEL-LABEL')],
          ])
          // They go on knocking for longer than a lease: none may begin alone, either.
          await pause(6500)
          for (const server of [stranger, thirdPassive, thirdActive, primary]) {
            assert.ok(server.running)
            assert.doesNotMatch(server.log, /(Primary|Secondary) Server switched to (ACTIVE|STANDALONE|PASSIVE)/)
          }
          // A machine that is too busy may miss pings; that is not their doing.
          const ended = drill
            .logs()
            .split('\n')
            .filter(line => line.includes('is down') && !line.includes('SILENCE'))
          assert.deepEqual(ended, [], 'the channel of the pair stayed up')
        }),
      )
    },
  )

  lane.step(
    'a profile started twice, a data directory taken by another profile or label: exit code 1, nothing touched',
    async () => {
      const { drill, active } = served
      const dataOf = (label: Label) => join(drill.folder, label, 'data')
      await served.unhurt(() =>
        shareUntouched(async () => {
          const twice = (['primary', 'secondary'] as const).map(label => startAlso(label, join(drill.folder, label)))
          const thief = await claim('thief', active, { dataDirectory: dataOf(active) })
          const folder = await likeness(drill, active, 'label')
          cpSync(dataOf(other(active)), join(folder, 'data'), { recursive: true })
          const wrong = startAlso(active, folder)
          assert.deepEqual(await Promise.all([...twice, thief, wrong].map(server => server.exit)), [1, 1, 1, 1])
          for (const server of twice) assert.match(server.log, /SERVER-DATA-IN-USE|SERVER-PORT-IN-USE/)
          assert.match(thief.log, /SERVER-DATA-IN-USE/)
          assert.match(wrong.log, /REPLICATION-STORE-LABEL/)
        }),
      )
    },
  )
})

story('servers that are no pair', lane => {
  let served: Served
  let passive: Label

  // The passive server of this pair is replaced again and again by one that does not fit.
  lane.before = async () => {
    served = await Served.start(CALM)
    passive = other(served.active)
    served.drill.server(passive).signal('keeper', 'SIGTERM')
    await served.drill.server(passive).exit
    await served.drill.server(served.active).line('switched to STANDALONE')
  }
  lane.after = () => served?.end()
  lane.afterEach = async failed => {
    await endAlso(served.drill)
    if (failed) console.log(served.drill.logs().split('\n').slice(-40).join('\n'))
  }

  lane.step(
    'another lease, ping interval, kind, the data of the peer or of another pair: told on both consoles',
    async () => {
      const { drill, active } = served
      const dataOf = (label: Label) => join(drill.folder, label, 'data')
      const from = drill.server(active).lines.length
      const copy = (label: Label, changes: Record<string, unknown>) => (folder: string) => {
        cpSync(dataOf(label), join(folder, 'data'), { recursive: true })
        relabel(join(folder, 'data'), changes)
      }
      const unfit = async (code: string, changes: Record<string, unknown>, prepare = (_: string) => {}) => {
        const folder = await likeness(drill, passive, `${code}${++count}`, {
          backupHAPort: portOf(drill, active),
          ...changes,
        })
        prepare(folder)
        const server = startAlso(passive, folder)
        await Promise.all([server.line(code), drill.server(active).line(code, from)])
        return server
      }
      let count = 0
      await served.unhurt(
        async () => {
          const servers = await Promise.all([
            unfit('HA-INTERVALS-DIFFER', { passiveLockAcquisitionInterval: 7000 }),
            unfit('HA-INTERVALS-DIFFER', { pingInterval: 250 }),
            unfit('HA-KIND-DIFFERS', { kind: 'FPS', primaryURL: 'http://127.0.0.1:1' }),
            unfit('HA-SAME-STORE', {}, copy(active, { label: passive })),
            unfit('HA-FOREIGN-PAIR', {}, copy(passive, { pairId: '00000000000000ff' })),
          ])
          for (const server of servers)
            assert.doesNotMatch(server.log, /(Primary|Secondary) Server switched to (ACTIVE|STANDALONE|PASSIVE)/)
          await endAlso(served.drill)
        },
        { role: 'STANDALONE' },
      )
      const said = drill
        .server(active)
        .lines.slice(from)
        .filter(line => /ERROR|WARN/.test(line.text))
      assert.ok(said.length < 100, `${said.length} lines`)
    },
  )

  lane.step('the true one comes back, and nothing was lost', async () => {
    served.drill.start(passive)
    await served.drill.settled()
    await served.nothingLost()
  })
})
