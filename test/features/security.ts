// Who is let in, what each may do, and what one may take of a server. The pair asks nobody on this machine for a name, has
// small limits and an audit log (security.test.ts); every user here is of one feature alone.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { verifiersOf } from '../../src/cli/password.ts'
import { propertiesOf, RawMqtt, textOf, type Fields } from '../support/raw-mqtt.ts'
import type { FeatureList } from './feature.ts'
import type { Ground } from './ground.ts'
import { inBoth, Inbox, lasting, raw, subscribedAway } from './mqtt-ground.ts'

const PASSWORD = 'correct horse'

/** Limits of the pair that these features are shown on. */
export const LIMITS = { connections: 60, userConnections: 8, userInFlight: 50, queueMessages: 100 }

/** What a command of the operator asks the server for, without a process for each. */
async function admin(ground: Ground, method: 'PUT' | 'DELETE', path: string, body?: unknown): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${ground.pair.drill.admin[ground.active]}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
  assert.equal(answer.status, 200, await answer.text())
}
const account = (ground: Ground, name: string, groups: readonly string[] = [], password = PASSWORD): Promise<void> =>
  admin(ground, 'PUT', `/accounts/${encodeURIComponent(name)}`, { groups, ...verifiersOf(password) })
const permit = (ground: Ground, whom: string, ...grants: readonly object[]): Promise<void> =>
  admin(ground, 'PUT', `/permissions/${encodeURIComponent(whom)}`, grants)
const topics = (pattern: string, actions: readonly string[] = ['send', 'receive']): object => ({
  actions,
  kind: 'topic',
  pattern,
})

const signed = (username: string, password = PASSWORD): Fields => ({ username, password: Buffer.from(password) })
/** The reason with which this client is let in or not. */
async function comes(ground: Ground, fields: Fields): Promise<number> {
  const client = await raw(ground, { clientId: '', ...fields })
  const reason = client.connack['reasonCode'] as number
  await (reason === 0 ? client.leave() : client.closed())
  return reason
}

export const security: FeatureList = {
  file: 'security',
  features: [
    {
      name: 'users, and passwords changed at run time',
      of: 'both',
      promise: 'an account counts on both servers the moment the command says so: another password, or none any more',
      more: 'security.md#accounts',
      async begin(ground) {
        const [ann, bob] = [ground.name('ann'), ground.name('bob')]
        await account(ground, ann)
        await account(ground, bob)
        const open = await raw(ground, { clientId: ground.name('ann'), ...signed(ann) })
        assert.equal(await comes(ground, signed(ann, 'battery staple')), 0x86)
        assert.equal(await comes(ground, signed(ground.name('nobody'))), 0x86)
        await ground.command(['user', 'set', ann], 'battery staple\n')
        // Who is inside stays.
        await open.send('pingreq').next('pingresp')
        await admin(ground, 'DELETE', `/accounts/${bob}`)
        const now = async (): Promise<void> => {
          assert.equal(await comes(ground, signed(ann)), 0x86)
          assert.equal(await comes(ground, signed(ann, 'battery staple')), 0)
          assert.equal(await comes(ground, signed(bob)), 0x86)
        }
        await now()
        return now
      },
    },
    {
      name: 'groups and permissions',
      of: 'both',
      promise:
        'what is granted to a user or its group is allowed, and nothing else; what is taken away is gone on both servers',
      more: 'security.md#permissions',
      async begin(ground) {
        const [ann, group] = [ground.name('trader'), ground.name('traders')]
        const topic = (text: string): string => ground.name(`prices/${text}`)
        await account(ground, ann, [group])
        await permit(ground, `group:${group}`, topics(topic('#'), ['receive']), topics(topic('own'), ['send']))
        await permit(ground, `user:${ann}`, topics(topic('taken'), ['send']))
        const client = () => raw(ground, { clientId: ann, ...signed(ann) })
        const may = async (one: RawMqtt, name: string): Promise<boolean> => {
          const { reasonCode = 0 } = await one.publish(topic(name), name)
          assert.ok(reasonCode === 0x10 || reasonCode === 0 || reasonCode === 0x87, String(reasonCode))
          return reasonCode !== 0x87
        }
        const first = await client()
        assert.equal(await may(first, 'taken'), true)
        await permit(ground, `user:${ann}`)
        return async () => {
          // What is open is not cut: permissions are asked for where somebody comes in.
          const one = await client()
          assert.deepEqual([await may(one, 'own'), await may(one, 'other'), await may(one, 'taken')], [true, false, false]) // prettier-ignore
          assert.deepEqual([await one.subscribe(topic('+')), await one.subscribe(ground.name('wages'))], [2, 0x87])
          const refused = await one.publish(topic('other'), 'x')
          assert.equal(typeof propertiesOf(refused)['reasonString'], 'string')
          const old = await raw(ground, { clientId: `${ann}-4`, ...signed(ann) }, 4)
          // MQTT 3.1.1 has no answer for that: its connection ends.
          old.send('publish', { topic: topic('other'), payload: 'x', qos: 1, messageId: 1 })
          await old.closed()
        }
      },
    },
    {
      name: 'a client identifier is its user’s',
      of: 'MQTT',
      promise: 'as long as the session is there: another user is refused, and the session is not touched',
      more: 'mqtt.md#across-a-failover',
      begin: inBoth(async (ground, version, name) => {
        const [owner, thief] = [name('owner'), name('thief')]
        for (const user of [owner, thief]) {
          await account(ground, user)
          await permit(ground, `user:${user}`, topics(name('owned')))
        }
        const fields = lasting(version, name('owned'), signed(owner))
        await subscribedAway(ground, fields, name('owned'), { version })
        return async () => {
          const other = await raw(ground, { ...fields, ...signed(thief), clean: true }, version)
          const { reasonCode, returnCode } = other.connack
          assert.equal(version === 5 ? reasonCode : returnCode, version === 5 ? 0x85 : 2)
          const back = await raw(ground, fields, version)
          assert.equal(back.connack['sessionPresent'], true)
          await back.publish(name('owned'), 'still here')
          assert.deepEqual(await back.texts(1), ['still here'])
        }
      }),
    },
    {
      name: 'TLS with client certificates',
      of: 'both',
      promise: 'the common name is the user, with its permissions; its session goes on with the other server',
      more: 'security.md#certificates',
      needs: 'certificates',
      async begin(ground) {
        const { pair } = ground
        assert.ok(pair.certificates)
        const { certFile, keyFile } = pair.certificates.client
        // One certificate, so one user, in both runs.
        await permit(ground, 'user:carol', topics('straight-carol'), topics('across-carol'))
        const topic = ground.name('carol')
        const fields = { clientId: topic, clean: false, properties: { sessionExpiryInterval: 3600 } }
        const carol = await ground.mqtt({ over: 'tls', protocol: 'mqtts', ...fields, cert: readFileSync(certFile), key: readFileSync(keyFile) }) // prettier-ignore
        const inbox = new Inbox(carol)
        await carol.subscribeAsync(topic, { qos: 1 })
        const stranger = await ground.mqtt({ over: 'tls' })
        await assert.rejects(stranger.publishAsync(topic, 'x', { qos: 1 }))
        return async () => {
          await carol.publishAsync(topic, 'mine', { qos: 2 })
          await inbox.until('mine')
          await assert.rejects(stranger.publishAsync(topic, 'x', { qos: 1 }))
          await assert.rejects(carol.publishAsync(ground.name('carol/other'), 'x', { qos: 1 }))
          assert.deepEqual(inbox.texts, ['mine'])
        }
      },
    },
    {
      name: 'anonymous only from this machine',
      of: 'both',
      promise: 'who comes by another address than loopback needs an account; the listener asks no more of who has one',
      more: 'security.md',
      async begin(ground) {
        const away = Object.values(networkInterfaces()).flat().find(one => one?.family === 'IPv4' && !one.internal) // prettier-ignore
        const guest = ground.name('guest')
        await account(ground, guest)
        const look = async (): Promise<void> => {
          assert.equal(await comes(ground, {}), 0)
          if (away === undefined) return
          const ports = ground.pair.ports('mqtt', 'plain')
          const from = (fields: Fields) => RawMqtt.connect(5, ports, { clientId: '', ...fields }, away.address)
          assert.equal((await from({})).connack['reasonCode'], 0x86)
          assert.equal((await from(signed(guest))).connack['reasonCode'], 0)
        }
        await look()
        return look
      },
    },
    {
      name: 'connections of one user',
      of: 'both',
      promise: 'are bounded, those of others are not; a place that is left is free',
      more: 'security.md#limits-of-one-user',
      async begin(ground) {
        const user = ground.name('many')
        await account(ground, user)
        const look = async (): Promise<void> => {
          const client = (i: number) => raw(ground, { clientId: ground.name(`many-${i}`), ...signed(user) })
          const inside: RawMqtt[] = []
          for (let i = 0; i < LIMITS.userConnections; i++) inside.push(await client(i))
          assert.ok(inside.every(one => one.connack['reasonCode'] === 0))
          assert.equal((await client(-1)).connack['reasonCode'], 0x97)
          assert.equal(await comes(ground, {}), 0)
          await inside.pop()?.leave()
          assert.equal(await comes(ground, signed(user)), 0)
          await Promise.all(inside.map(one => one.leave()))
        }
        await look()
        return look
      },
    },
    {
      name: 'messages of one user without an answer',
      of: 'both',
      promise:
        'are bounded over all its connections: beyond it they are refused at once, and there is room again with the answers',
      more: 'security.md#limits-of-one-user',
      async begin(ground) {
        const user = ground.name('flood')
        await account(ground, user)
        await permit(ground, `user:${user}`, topics(user))
        await subscribedAway(ground, lasting(5, ground.name('flood-keeper'), signed(user)), user)
        const look = async (): Promise<void> => {
          const client = await raw(ground, { clientId: ground.name('flood'), ...signed(user) })
          const burst = 2 * LIMITS.userInFlight
          for (let messageId = 1; messageId <= burst; messageId++)
            client.send('publish', { topic: user, payload: 'x', qos: 1, messageId })
          const codes: number[] = []
          for (let i = 0; i < burst; i++)
            codes.push(((await client.next('puback'))['reasonCode'] as number | undefined) ?? 0)
          const refused = codes.filter(code => code === 0x97).length
          assert.ok(refused > 0 && refused <= burst - LIMITS.userInFlight, `${refused} were refused`)
          assert.equal(codes.filter(code => code === 0).length, burst - refused)
          assert.notEqual((await client.publish(user, 'y'))['reasonCode'], 0x97)
          await client.leave()
          await subscribedAway(ground, lasting(5, ground.name('flood-keeper'), { ...signed(user), clean: true }), user)
        }
        await look()
        return look
      },
    },
    {
      name: 'the queue of a session is bounded',
      of: 'MQTT',
      promise:
        'what does not fit for who is away is lost for that one alone; nobody waits, and what was kept comes in order',
      more: 'mqtt.md#limits',
      async begin(ground) {
        const user = ground.name('full')
        await account(ground, user)
        await permit(ground, `user:${user}`, topics(user))
        const fields = lasting(5, ground.name('full-away'), signed(user))
        await subscribedAway(ground, fields, user, { qos: 1 })
        const most = LIMITS.queueMessages
        const publish = async (from: number, to: number): Promise<void> => {
          const here = await raw(ground, { clientId: ground.name('full-here'), ...signed(user) })
          await here.subscribe(user, { qos: 1 })
          for (let i = from; i < to; i++) {
            assert.equal((await here.publish(user, String(i)))['reasonCode'] ?? 0, 0)
            const got = await here.next('publish')
            assert.equal(textOf(got), String(i))
            here.send('puback', { messageId: got.messageId })
          }
          await here.leave()
        }
        await publish(0, most / 2)
        return async () => {
          await publish(most / 2, most + 20)
          const back = await raw(ground, fields)
          const got = await back.texts(most)
          assert.deepEqual(
            got,
            Array.from({ length: most }, (_, i) => String(i)),
          )
          await back.fence(user).catch(() => undefined)
          assert.equal(back.all.length, most)
        }
      },
    },
    {
      name: 'floods of connections and slow openers',
      of: 'both',
      promise: 'shut nobody out: the oldest that has not come in makes room, and who is inside is not disturbed',
      more: 'security.md',
      async begin(ground) {
        const look = async (): Promise<void> => {
          const inside = await raw(ground, { clientId: ground.name('inside') })
          const [port] = ground.pair.ports('mqtt', 'plain') as [number]
          const slow = Array.from({ length: 3 * LIMITS.connections }, () => RawMqtt.open(5, port).write(Buffer.from([0x10]))) // prettier-ignore
          // The port has places for as many as may be inside, and 64 more.
          await Promise.all(slow.slice(0, 10).map(one => one.closed()))
          assert.equal(await comes(ground, {}), 0)
          await inside.send('pingreq').next('pingresp')
          await Promise.all([...slow, inside].map(one => one.vanish()))
        }
        await look()
        return look
      },
    },
    {
      name: 'audit log',
      of: 'both',
      promise:
        'each server writes who came in, who did not, what was not permitted and what the operator changed; no password',
      more: 'security.md#audit-log',
      async begin(ground) {
        const user = ground.name('audited')
        const look = async (): Promise<void> => {
          await account(ground, user)
          await permit(ground, `user:${user}`, topics(user))
          assert.equal(await comes(ground, signed(user, 'wrong staple')), 0x86)
          const client = await raw(ground, { clientId: user, ...signed(user) })
          assert.equal((await client.publish(ground.name('audited/not'), 'x'))['reasonCode'], 0x87)
          await client.leave()
          // What is written last says that the others are there, too.
          const file = join(ground.pair.drill.folder, `audit-${ground.active}`)
          const lines = () =>
            readFileSync(file, 'utf8')
              .split('\n')
              .filter(line => line.includes(user))
          while (!lines().some(line => line.includes('"not-permitted"'))) await new Promise(setImmediate)
          const events = new Set(lines().map(line => (JSON.parse(line) as { event: string }).event))
          for (const event of ['account-set', 'grants-set', 'turned-away', 'signed-in', 'not-permitted'])
            assert.ok(events.has(event), `${event} is not among ${[...events].join(', ')}`)
          assert.doesNotMatch(readFileSync(file, 'utf8'), /horse|staple|scrypt/)
        }
        await look()
        return look
      },
    },
  ],
}
