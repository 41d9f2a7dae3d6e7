// Accounts and permissions on a pair of real processes: made by command while it runs, binding at once, and the same on
// the other server when the first one is killed; and limits of one user, which hold when all of its clients come there at once.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import rhea, { type Connection, type ConnectionOptions, type EventContext } from 'rhea'
import { lockstep, PRODUCT } from '../cli/run.ts'
import { Drill, other, type Label } from '../support/drill.ts'

/** Connections of one user. */
const MOST = 8

describe('accounts and permissions of a pair', function () {
  this.timeout(90_000)
  let drill: Drill
  let active: Label
  const open: Connection[] = []

  before(async () => {
    drill = await Drill.make({ sets: { 'security.anonymous': 'never', 'limits.userConnections': MOST } })
    for (const label of ['primary', 'secondary'] as const) {
      const file = join(drill.folder, label, 'profile.yaml')
      const profile = JSON.parse(readFileSync(file, 'utf8')) as { security: object }
      Object.assign(profile.security, { auditLog: join(drill.folder, `audit-${label}`) })
      writeFileSync(file, JSON.stringify(profile))
    }
    drill.start('primary')
    drill.start('secondary')
    active = await drill.settled()
  })
  after(async () => {
    for (const connection of open) connection.close()
    await drill?.end()
  })

  /** Comes in, or is told not to; where the port is not open yet it tries again. */
  const come = async (username: string, password: string): Promise<Connection | null> => {
    for (;;) {
      const options = { host: '127.0.0.1', port: drill.amqp[active], username, password, reconnect: false }
      const connection = rhea.create_container().connect(options as ConnectionOptions)
      for (const name of ['error', 'sender_error', 'disconnected', 'connection_error']) connection.on(name, () => {})
      const found = await Promise.race([
        once(connection, 'connection_open').then(() => connection),
        once(connection, 'connection_error').then(() => null),
        once(connection, 'disconnected').then(() => undefined),
      ])
      if (found === undefined) continue
      open.push(connection)
      return found
    }
  }
  /** The same where a connection that is one too many may be opened, to be told so and closed. */
  const stay = async (username: string, password: string): Promise<Connection | null> => {
    const connection = await come(username, password)
    if (connection?.is_open() !== true) return null
    const session = connection.create_session()
    const ends = once(connection, 'connection_close').then(() => null)
    const begins = once(session, 'session_open').then(() => connection)
    session.open()
    return Promise.race([begins, ends])
  }
  /** Whether a message to this queue is taken. */
  const sends = async (connection: Connection, queue: string): Promise<boolean> => {
    const sender = connection.open_sender(queue)
    const error = once(sender, 'sender_error').then(([context]) => {
      const { condition } = ((context as EventContext).sender?.error ?? {}) as { condition?: string }
      assert.equal(condition, 'amqp:unauthorized-access')
      return false
    })
    const sent = once(sender, 'sendable').then(() => {
      sender.send({ body: 'x', durable: true })
      return once(sender, 'accepted').then(() => true)
    })
    return Promise.race([error, sent])
  }
  const command = async (words: readonly string[], input = ''): Promise<void> => {
    const [name = '', ...rest] = words
    const { code, err } = await lockstep([name, join(drill.folder, active), ...rest], PRODUCT, {}, input)
    assert.equal(code, 0, err)
  }

  it('are made by command, bind at once, and are the same on the other server after the first was killed', async () => {
    assert.equal(await come('ann', 'correct horse'), null, 'there are no accounts yet')
    await command(['user', 'set', 'ann', '--group', 'traders'], 'correct horse\n')
    await command(['user', 'set', 'bob'], 'battery staple\n')
    const ann = await come('ann', 'correct horse')
    const bob = await come('bob', 'battery staple')
    assert.ok(ann && bob)
    assert.equal(await come('ann', 'battery staple'), null)
    assert.ok(await sends(bob, 'orders'), 'no permissions yet: everything is allowed')
    await command(['permission', 'grant', 'group:traders', 'send,receive,create', 'queue', 'orders*'])
    assert.ok(await sends(ann, 'orders'))
    assert.equal(await sends(bob, 'orders'), false)
    assert.equal(await sends(ann, 'prices'), false)

    drill.server(active).signal('broker', 'SIGKILL')
    active = other(active)
    await drill.server(active).line('switched to STANDALONE')
    const again = await come('ann', 'correct horse')
    const bobAgain = await come('bob', 'battery staple')
    assert.ok(again && bobAgain)
    assert.ok(await sends(again, 'orders'))
    assert.equal(await sends(bobAgain, 'orders'), false)

    // All of one user's clients come to the new server at once; the other user's come among them.
    const crowd = Array.from({ length: 50 }, () => stay('ann', 'correct horse'))
    const amongThem = Array.from({ length: MOST - 1 }, () => stay('bob', 'battery staple'))
    const inside = (await Promise.all(crowd)).filter(one => one !== null)
    assert.equal(inside.length, MOST - 1, 'with the one that is there already, no more than one user may have')
    assert.ok(
      (await Promise.all(amongThem)).every(one => one !== null),
      'and the other user has all of its own',
    )
    assert.equal(await stay('bob', 'battery staple'), null)
    const [left] = inside
    assert.ok(left)
    const closed = once(left, 'connection_close')
    left.close()
    await closed
    assert.ok(await stay('ann', 'correct horse'), 'whose place is free again')
    await command(['user', 'remove', 'bob'])
    assert.equal(await come('bob', 'battery staple'), null)
  })

  it('leave their traces in the audit log, without a password', () => {
    const text = (['primary', 'secondary'] as const)
      .map(label => readFileSync(join(drill.folder, `audit-${label}`), 'utf8'))
      .join('')
    const events = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { event: string; who: string })
    for (const event of ['signed-in', 'turned-away', 'not-permitted', 'account-set', 'account-removed', 'grants-set'])
      assert.ok(
        events.some(entry => entry.event === event),
        event,
      )
    assert.doesNotMatch(text, /horse|staple|scrypt/)
  })

  it('keeps what it knows to itself: nobody else on the machine can read its files', () => {
    let files = 0
    const look = (path: string): void => {
      const { mode } = statSync(path)
      assert.equal(mode & 0o077, 0, `${path}: ${(mode & 0o777).toString(8)}`)
      files++
      if (statSync(path).isDirectory()) for (const name of readdirSync(path)) look(join(path, name))
    }
    for (const label of ['primary', 'secondary'] as const) {
      look(join(drill.folder, label, 'data'))
      look(join(drill.folder, `audit-${label}`))
    }
    assert.ok(files > 8, `${files} files`)
  })
})
