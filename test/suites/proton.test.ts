// Qpid Proton's Python client (Debian: python3-qpid-proton) against a pair of real processes: queues and topics with both
// addresses, over a kill -9 of the server that serves, with its own reconnecting; SASL and TLS.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { makeCertificate } from '../support/certificates.ts'
import { checkAcks } from '../support/drill.ts'
import { finished, labels, PASSWORD, PYTHON, suiteOf, upTo, USER, versionOf, type Running } from './ground.ts'

const CLIENT = join(import.meta.dirname, 'proton-client.py')
const MOVER = join(import.meta.dirname, 'proton-mover.py')

describe("Qpid Proton's Python client", function () {
  this.timeout(120_000)
  let scram = false
  const suite = suiteOf(() => {
    const found = versionOf(PYTHON, ['-c', 'from proton import SASL; print(SASL.extended())'])
    scram = found === 'True'
    return found !== null
  }, 'python3-qpid-proton')

  const urls = (): string[] => labels.map(label => `amqp://127.0.0.1:${suite.pair.drill.amqp[label]}`)
  const client = (wish: Record<string, unknown>): Running =>
    suite.start(PYTHON, [CLIENT, JSON.stringify({ urls: urls(), ...wish })])
  const said = (lines: readonly string[], word: string): string[][] =>
    lines.filter(line => line.startsWith(`${word} `)).map(line => line.split(' ').slice(1))
  const numbers = (lines: readonly string[], word: string): number[] => said(lines, word).map(([n]) => Number(n))

  it('sends to a queue and receives from it, in order', async () => {
    const sent = await finished(client({ do: 'send', address: 'proton', count: 500 }))
    assert.deepEqual(numbers(sent, 'accepted'), upTo(500))
    const got = await finished(client({ do: 'receive', address: 'proton', count: 500 }))
    assert.deepEqual(
      said(got, 'got'),
      upTo(500).map(n => [String(n), `m${n}`, '0', 'True']),
    )
  })

  it('what was not settled comes again, marked', async () => {
    await finished(client({ do: 'send', address: 'again', count: 3 }))
    await finished(client({ do: 'receive', address: 'again', count: 3, manual: true }))
    const got = said(await finished(client({ do: 'receive', address: 'again', count: 3 })), 'got')
    assert.deepEqual(
      got.map(([n, , , first]) => [n, first]),
      upTo(3).map(n => [String(n), 'False']),
    )
  })

  it('signs in with PLAIN, with SCRAM-SHA-256 where its library has it, and not with a wrong password', async () => {
    const named = { do: 'send', address: 'named', count: 1, user: USER, password: PASSWORD }
    for (const mechanisms of ['PLAIN', ...(scram ? ['SCRAM-SHA-256'] : [])])
      assert.deepEqual(numbers(await finished(client({ ...named, mechanisms })), 'accepted'), [0])
    const wrong = await finished(client({ ...named, password: 'wrong', mechanisms: 'PLAIN' }))
    assert.deepEqual(numbers(wrong, 'accepted'), [])
    assert.ok(
      wrong.some(line => line.startsWith('transport error amqp:unauthorized-access')),
      wrong.join('\n'),
    )
  })

  it('comes over TLS, and takes no certificate that nobody vouches for', async function () {
    if (suite.pair.certificate === null) return this.skip()
    const sealed = {
      urls: labels.map(label => `amqps://localhost:${suite.pair.ports[label].amqps}`),
      address: 'sealed',
    }
    const ca = suite.pair.certificate.certFile
    assert.deepEqual(numbers(await finished(client({ do: 'send', count: 5, ca, ...sealed })), 'accepted'), upTo(5))
    assert.deepEqual(numbers(await finished(client({ do: 'receive', count: 5, ca, ...sealed })), 'got'), upTo(5))
    const other = makeCertificate(suite.pair.drill.folder, 'stranger')?.certFile
    const wary = await finished(client({ do: 'send', count: 1, ca: other, ...sealed }))
    assert.ok(wary.some(line => line.includes('certificate verify failed')) && !wary.includes('link'), wary.join('\n'))
  })

  it('refuses what is refused, with the condition of the standard', async () => {
    const lines = await finished(client({ do: 'receive', address: 'topic://a/#/b', count: 1 }))
    assert.ok(
      lines.some(line => line.startsWith('link error amqp:not-allowed')),
      lines.join('\n'),
    )
  })

  it('queue: every message is there after a kill -9 while both are at it', async () => {
    const count = 1000
    const taker = client({ do: 'receive', address: 'over', count })
    const giver = client({ do: 'send', address: 'over', count, pace: 0.001 })
    await giver.until('a quarter is accepted', lines => numbers(lines, 'accepted').length > count / 4)
    await suite.pair.kill()
    const accepted = numbers(await finished(giver), 'accepted')
    const got = numbers(await finished(taker), 'got')
    assert.deepEqual(
      accepted.toSorted((a, b) => a - b),
      upTo(count),
      'each is accepted once, also what was sent again',
    )
    assert.equal(new Set(got).size, count, 'none is missing')
    assert.ok(giver.lines.includes('disconnected') && taker.lines.includes('disconnected'))
    await suite.pair.heal()
    assert.deepEqual(checkAcks(suite.pair.drill.acks()), [])
  })

  it('transactions: what is moved from queue to queue is there once, whole, over a kill -9', async () => {
    const count = 1000
    await finished(client({ do: 'send', address: 'from', count }))
    const move = (source: string, target: string): Running => {
      return suite.start(PYTHON, [MOVER, JSON.stringify({ urls: urls(), source, target })])
    }
    const mover = move('from', 'to')
    await mover.until('a quarter is moved', lines => numbers(lines, 'moved').some(moved => moved > count / 4))
    await suite.pair.kill()
    await finished(mover)
    assert.ok(mover.lines.includes('disconnected'))
    const got = numbers(await finished(client({ do: 'receive', address: 'to', count })), 'got')
    assert.deepEqual(
      got.toSorted((a, b) => a - b),
      upTo(count),
    )
    await suite.pair.heal()
    for (const emptied of ['from', 'to']) assert.deepEqual(numbers(await finished(move(emptied, 'rest')), 'moved'), [0])
    assert.deepEqual(checkAcks(suite.pair.drill.acks()), [])
  })

  it('topic: a durable subscription has every message after a kill -9 while its client is away', async () => {
    const subscription = { do: 'receive', address: 'topic://plant/+', container: 'reader', link: 'meters' }
    await finished(client({ do: 'send', address: 'topic://plant/0', count: 1 }))
    const first = client({ ...subscription, count: 1 })
    await first.until('it is subscribed', lines => lines.includes('link'))
    await finished(client({ do: 'send', address: 'topic://plant/1', count: 1 }))
    assert.equal(said(await finished(first), 'got').length, 1, 'what was published before it is not its own')
    const giver = client({ do: 'send', address: 'topic://plant/2', count: 1000, pace: 0.001 })
    await giver.until('a quarter is accepted', lines => numbers(lines, 'accepted').length > 250)
    await suite.pair.kill()
    await finished(giver)
    const got = numbers(await finished(client({ ...subscription, count: 1000 })), 'got')
    assert.equal(new Set(got).size, 1000)
    await suite.pair.heal()
    assert.deepEqual(checkAcks(suite.pair.drill.acks()), [])
  })
})
