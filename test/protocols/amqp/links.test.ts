// Browsers, exclusive consumers, groups and drains, as a stock client (rhea) asks for them.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Connection, Message, Receiver } from 'rhea'
import { bodies, drained, leave, receiver, send } from '../../support/rhea.ts'
import { Whole } from './whole.ts'

const named = (...names: string[]): Message[] =>
  names.map(body =>
    body.startsWith('.') ? { body, durable: true } : { body, durable: true, group_id: body.charAt(0) },
  )

describe('links on a queue, with rhea', () => {
  let whole: Whole
  let client: Connection
  beforeEach(async () => {
    whole = await new Whole().open()
    client = whole.connect({ container: 'one' })
  })
  afterEach(() => whole.close())

  it('browse it: the answer says so, every message comes once, and all stay', async () => {
    await send(client, 'q', named('.1', '.2', '.3'))
    const browser = await receiver(client, { source: { address: 'q', distribution_mode: 'copy' } })
    assert.equal(browser.source.distribution_mode, 'copy')
    assert.deepEqual(bodies(await drained(browser, 2)), ['.1', '.2'])
    assert.deepEqual(bodies(await drained(browser, 10)), ['.3'])
    assert.deepEqual(bodies(await drained(browser, 10)), [], 'its end is a drain that brings nothing')
    const link = await receiver(client, { source: 'q' })
    assert.equal(link.source.distribution_mode, 'move')
    assert.deepEqual(bodies(await drained(link, 10)), ['.1', '.2', '.3'])
  })

  for (const [how, options] of Object.entries({
    'by its address, as ActiveMQ has it': { source: 'q?consumer.exclusive=true' },
    'by a link property': { source: 'q', properties: { exclusive: true } },
  }))
    it(`consume it alone, asked for ${how}`, async () => {
      const plain = await receiver(client, { source: 'q' })
      const sole = await receiver(client, options)
      assert.equal(sole.source.address, 'q')
      await send(client, 'q', named('.1', '.2'))
      assert.deepEqual(bodies(await drained(plain, 10)), [])
      assert.deepEqual(bodies(await drained(sole, 1)), ['.1'])
      await leave(sole)
      assert.deepEqual(bodies(await drained(plain, 10)), ['.2'])
    })

  it('share it by groups', async () => {
    const links = [await receiver(client, { source: 'q' }), await receiver(client, { source: 'q' })]
    const got = links.map((): string[] => [])
    let count = 0
    const all = new Promise<void>(done => {
      links.forEach((link, i) => {
        link.on('message', context => {
          got[i]?.push(context.message?.body as string)
          context.delivery?.accept()
          if (++count === 9) done()
        })
        link.add_credit(100)
      })
    })
    await send(client, 'q', named('a1', 'b1', 'a2', 'c1', 'b2', 'a3', 'c2', 'b3', 'c3'))
    await all
    for (const group of ['a', 'b', 'c']) {
      const shares = got.map(texts => texts.filter(text => text.startsWith(group)))
      assert.ok(
        shares.some(share => share.join() === [1, 2, 3].map(n => `${group}${n}`).join()),
        JSON.stringify(got),
      )
    }
  })

  it('drain with nothing there, with credit beyond what is there, and again (section 2.6.7)', async () => {
    const link = await receiver(client, { source: 'q' })
    const counts = (of: Receiver): number => (of as unknown as { delivery_count: number }).delivery_count
    const told = async (credit: number): Promise<[number, number, number]> => {
      const before = counts(link)
      const seen = await drained(link, credit)
      return [seen.length, (link as unknown as { credit: number }).credit, counts(link) - before]
    }
    assert.deepEqual(await told(5), [0, 0, 5], 'all credit is used up by the answer')
    await send(client, 'q', named('.1', '.2', '.3'))
    assert.deepEqual(await told(2), [2, 0, 2])
    assert.deepEqual(await told(7), [1, 0, 7])
    // Credit given after a drain counts as any other; this client goes on asking for drains until it is told not to.
    ;(link as unknown as { drain: boolean }).drain = false
    link.add_credit(1)
    const came = once(link, 'message')
    await send(client, 'q', named('.4'))
    await came
  })
})
