// mosquitto's command line clients (Debian: mosquitto-clients) against a pair of real processes: every quality, retained
// messages, wills, sessions and shared subscriptions, requests, TLS, in both protocol versions, and a kill -9 in between.

import assert from 'node:assert/strict'
import { PASSWORD, run, suiteOf, USER, versionOf, type Running } from './ground.ts'

/** A line of its output is seen when it is written. */
const SUB = ['-oL', 'mosquitto_sub']
const VERSIONS = ['mqttv311', 'mqttv5'] as const

describe("mosquitto's clients", function () {
  this.timeout(120_000)
  const suite = suiteOf(() => versionOf('mosquitto_sub', ['--help']) !== null, 'mosquitto-clients')

  const at = (version: string): string[] => ['-h', '127.0.0.1', '-p', String(suite.pair.mqttPort), '-V', version]
  const pub = (version: string, ...words: string[]): Promise<string> => run('mosquitto_pub', [...at(version), ...words])
  const lines = async (running: Promise<string>): Promise<string[]> => (await running).split('\n').slice(0, -1)

  /** Waits until it is subscribed: with -d it says so. What it prints besides are messages, marked. */
  const sub = async (version: string, ...words: string[]): Promise<Running> => {
    const made = suite.start('stdbuf', [...SUB, ...at(version), '-d', '-F', '=%t|%q|%r|%p', ...words])
    await made.until('it is subscribed', found => found.some(line => line.startsWith('Subscribed (')))
    return made
  }
  const messages = (of: readonly string[]): string[] =>
    of.filter(line => line.startsWith('=')).map(line => line.slice(1))
  const taken = async (of: Running): Promise<string[]> => {
    const { code, out, err } = await of.done
    assert.equal(code, 0, err)
    return messages(out.split('\n'))
  }

  for (const version of VERSIONS) {
    describe(version, () => {
      it('every quality to every quality', async () => {
        for (const granted of [0, 1, 2]) {
          const taker = await sub(version, '-t', `q/${version}/+`, '-q', String(granted), '-C', '3')
          for (const qos of [0, 1, 2])
            await pub(version, '-t', `q/${version}/${qos}`, '-q', String(qos), '-m', `m${qos}`)
          assert.deepEqual(
            await taken(taker),
            [0, 1, 2].map(qos => `q/${version}/${qos}|${Math.min(qos, granted)}|0|m${qos}`),
          )
        }
      })

      it('a thousand lines of one publisher come in their order', async () => {
        const taker = await sub(version, '-t', `many/${version}`, '-q', '1', '-C', '1000')
        const publisher = suite.start('mosquitto_pub', [...at(version), '-t', `many/${version}`, '-q', '1', '-l'])
        for (let i = 0; i < 1000; i++) publisher.write(`${i}\n`)
        publisher.end()
        assert.deepEqual(
          (await taken(taker)).map(line => line.split('|')[3]),
          Array.from({ length: 1000 }, (_, i) => String(i)),
        )
        assert.equal((await publisher.done).code, 0)
      })

      it('a retained message is kept, marked, replaced and taken away', async () => {
        const topic = `kept/${version}`
        await pub(version, '-t', topic, '-q', '1', '-r', '-m', 'old')
        await pub(version, '-t', topic, '-q', '2', '-r', '-m', 'new')
        assert.deepEqual(await taken(await sub(version, '-t', 'kept/#', '-T', 'none', '-q', '2', '-C', '1')), [
          `${topic}|2|1|new`,
        ])
        await pub(version, '-t', topic, '-q', '1', '-r', '-n')
        const taker = await sub(version, '-t', topic, '-q', '1', '-C', '1')
        await pub(version, '-t', topic, '-q', '1', '-m', 'live')
        assert.deepEqual(await taken(taker), [`${topic}|1|0|live`])
      })

      it('the will of a client that is killed is published, that of one that leaves is not', async () => {
        const topic = `will/${version}`
        const taker = await sub(version, '-t', topic, '-q', '1', '-C', '1')
        const will = ['--will-topic', topic, '--will-qos', '1', '--will-payload']
        const leaves = await sub(
          version,
          '-t',
          `none/${version}`,
          '-i',
          `leaves-${version}`,
          ...will,
          'left',
          '-C',
          '1',
        )
        await pub(version, '-t', `none/${version}`, '-m', 'go')
        assert.equal((await leaves.done).code, 0)
        const dies = await sub(version, '-t', `none/${version}`, '-i', `dies-${version}`, ...will, 'died')
        dies.kill()
        assert.deepEqual(await taken(taker), [`${topic}|1|0|died`])
      })

      it('a session keeps what comes while its client is away', async () => {
        const topic = `away/${version}`
        const session = ['-c', '-i', `away-${version}`, '-t', topic, '-q', '2']
        assert.deepEqual(await taken(await sub(version, ...session, '-E')), [])
        for (let i = 0; i < 5; i++) await pub(version, '-t', topic, '-q', '2', '-m', `m${i}`)
        const back = suite.start('stdbuf', [...SUB, ...at(version), ...session, '-C', '5'])
        const { out } = await back.done
        assert.deepEqual(out.split('\n').slice(0, -1), ['m0', 'm1', 'm2', 'm3', 'm4'])
      })

      it('a shared subscription gives each message to one member', async () => {
        const words = ['-t', `$share/group/turn/${version}`, '-q', '1']
        const takers = await Promise.all([1, 2].map(() => sub(version, ...words, '-C', '5')))
        for (let i = 0; i < 10; i++) await pub(version, '-t', `turn/${version}`, '-q', '1', '-m', `m${i}`)
        const all = (await Promise.all(takers.map(taken))).flat()
        assert.deepEqual(
          all.map(line => line.split('|')[3]).toSorted(),
          Array.from({ length: 10 }, (_, i) => `m${i}`),
        )
      })

      it('a name and a password, and a wrong one', async () => {
        await pub(version, '-t', 'named', '-q', '1', '-m', 'x', '-u', USER, '-P', PASSWORD)
        const { code, err } = await suite.start('mosquitto_pub', [
          ...at(version),
          ...['-t', 'named', '-m', 'x', '-u', USER, '-P', 'wrong'],
        ]).done
        assert.notEqual(code, 0)
        assert.match(err, /not authori[sz]ed|bad user ?name/i)
      })

      it('TLS', async function () {
        if (suite.pair.certificate === null) return this.skip()
        const tls = ['-h', '127.0.0.1', '-p', String(suite.pair.ports[suite.pair.active].mqtts), '-V', version]
        const trusted = ['--cafile', suite.pair.certificate.certFile]
        const taker = await sub(version, '-t', `tls/${version}`, '-q', '1', '-C', '1')
        await run('mosquitto_pub', [...tls, ...trusted, '-t', `tls/${version}`, '-q', '1', '-m', 'sealed'])
        assert.deepEqual(await taken(taker), [`tls/${version}|1|0|sealed`])
        const { code } = await suite.start('mosquitto_pub', [...tls, '--tls-use-os-certs', '-t', 'x', '-m', 'x']).done
        assert.notEqual(code, 0, 'a certificate that nobody vouches for is not taken')
      })
    })
  }

  it('a request has its answer, with correlation data (mosquitto_rr)', async () => {
    const service = suite.start('stdbuf', [...SUB, ...at('mqttv5'), '-t', 'ask', '-d', '-F', '=%R|%D|%p', '-C', '1'])
    await service.until('it is subscribed', found => found.some(line => line.startsWith('Subscribed (')))
    const asks = suite.start('mosquitto_rr', [
      ...at('mqttv5'),
      ...['-t', 'ask', '-e', 'answers/1', '-m', 'how much', '-q', '1', '-D', 'publish', 'correlation-data', '42'],
    ])
    const { out } = await service.done
    const [answerTo, correlation, question] = messages(out.split('\n'))[0]?.split('|') ?? []
    assert.deepEqual([answerTo, correlation, question], ['answers/1', '42', 'how much'])
    await pub('mqttv5', '-t', 'answers/1', '-q', '1', '-m', 'this much', '-D', 'publish', 'correlation-data', '42')
    assert.equal((await asks.done).out.trim(), 'this much')
  })

  it('properties of MQTT 5: content type, user properties, expiry, subscription options', async () => {
    const format = '=%C|%P|%F|%p'
    const taker = suite.start('stdbuf', [
      ...SUB,
      ...at('mqttv5'),
      '-t',
      'with',
      '-d',
      '-q',
      '1',
      '-F',
      format,
      '-C',
      '1',
    ])
    await taker.until('it is subscribed', found => found.some(line => line.startsWith('Subscribed (')))
    const property = (name: string, ...value: string[]): string[] => ['-D', 'publish', name, ...value]
    await pub(
      'mqttv5',
      ...['-t', 'with', '-q', '1', '-m', '{}'],
      ...property('content-type', 'application/json'),
      ...property('user-property', 'a', 'b'),
      ...property('payload-format-indicator', '1'),
      ...property('message-expiry-interval', '60'),
    )
    assert.deepEqual(messages((await taker.done).out.split('\n')), ['application/json|a:b|1|{}'])
  })

  it('a session, a retained message and the members of a group survive a kill -9', async () => {
    const session = ['-c', '-i', 'survivor', '-t', 'over/#', '-q', '2']
    await taken(await sub('mqttv5', ...session, '-E'))
    const member = ['-c', '-i', 'member', '-t', '$share/g/over/#', '-q', '1']
    await taken(await sub('mqttv5', ...member, '-E'))
    for (let i = 0; i < 10; i++) await pub('mqttv311', '-t', 'over/a', '-q', '2', '-m', `m${i}`)
    await pub('mqttv5', '-t', 'stays', '-q', '1', '-r', '-m', 'kept')
    await suite.pair.kill()
    // The port of the other one opens when it serves; mosquitto's clients do not try again.
    for (;;) {
      const { code } = await suite.start('mosquitto_pub', [...at('mqttv5'), '-t', 'over/a', '-q', '1', '-m', 'm10'])
        .done
      if (code === 0) break
    }
    const expected = Array.from({ length: 11 }, (_, i) => `m${i}`)
    for (const words of [session, member]) {
      // A message of QoS 2 is printed at its PUBREL: after those of QoS 1 that came behind it.
      const found = await lines(run('mosquitto_sub', [...at('mqttv5'), ...words, '-C', '11']))
      assert.deepEqual([...found.filter(text => text !== 'm10'), 'm10'], expected)
      assert.equal(found.length, 11)
    }
    assert.deepEqual(await lines(run('mosquitto_sub', [...at('mqttv5'), '-t', 'stays', '-C', '1'])), ['kept'])
    await suite.pair.heal()
  })
})
