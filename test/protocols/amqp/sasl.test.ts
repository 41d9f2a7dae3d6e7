// Signing in by bytes: answers that take their time, mechanisms in several steps, and frames that are not due.

import assert from 'node:assert/strict'
import { scramKeys } from '../../../src/access/scram.ts'
import { Book } from '../../../src/access/book.ts'
import { ACCOUNT_PREFIX } from '../../../src/access/book.ts'
import { writeAccount } from '../../../src/access/accounts.ts'
import { Door } from '../../../src/access/door.ts'
import { encodePerformative, saslFrames } from '../../../src/protocols/amqp/performatives.ts'
import { binary } from '../../../src/protocols/amqp/types.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
import { clientFinal } from '../../support/scram-client.ts'
import { plainDoor } from '../../support/sign-in.ts'
import { AMQP, client, frame, ManualClock, SASL, wire } from './wire.ts'

const OK = [{ type: 'ubyte', value: 0 }]
const response = (text: string): Buffer =>
  frame(0, encodePerformative(saslFrames.response, [binary(Buffer.from(text))]), 1)

describe('AMQP engine: SASL', () => {
  it('keeps what a client says while its password is looked at, and goes on with it afterwards', () => {
    const broker = new FakeBroker()
    const signIn = plainDoor(broker, { ann: 'secret' })
    signIn.later = true
    const w = wire({}, broker, { signIn })
    w.send(Buffer.concat([SASL, client.init('PLAIN', '\0ann\0secret'), AMQP, client.open()]))
    assert.deepEqual(
      w.frames().map(f => f.code),
      [saslFrames.mechanisms.code],
    )
    assert.equal(broker.connections, 0)
    signIn.answer()
    w.clock.settle()
    assert.deepEqual(
      w.frames().map(f => f.code),
      [saslFrames.mechanisms.code, saslFrames.outcome.code, 0x10],
    )
    assert.equal(broker.connections, 1)
  })

  it('keeps no more than a little, and an answer that comes too late harms nobody', () => {
    for (const end of ['flood', 'closed', 'slow'] as const) {
      const broker = new FakeBroker()
      const signIn = plainDoor(broker, { ann: 'secret' })
      signIn.later = true
      const w = wire({ handshakeMs: 1000 }, broker, { signIn })
      w.send(SASL, client.init('PLAIN', '\0ann\0secret'))
      if (end === 'flood') w.send(Buffer.alloc(2000))
      else if (end === 'closed') w.connection.closed()
      else w.clock.advance(1001)
      signIn.answer()
      w.send(AMQP, client.open())
      assert.equal(broker.connections, 0, end)
      assert.ok(
        w.frames().every(f => f.code !== 0x10),
        end,
      )
    }
  })

  for (const password of ['pencil', 'pen'])
    it(`leads through SCRAM-SHA-256 with ${password === 'pencil' ? 'the right' : 'a wrong'} password`, () => {
      // The example of RFC 7677.
      const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
      const account = {
        name: 'user',
        groups: [],
        password: `scrypt:${'A'.repeat(24)}:${'A'.repeat(44)}`,
        scram: scramKeys('pencil', salt, 4096),
      }
      const book = new Book(
        {
          get: () => writeAccount(account),
          keys: prefix => (prefix === ACCOUNT_PREFIX ? [`${prefix}user`] : []),
          watch: () => {},
        },
        new Map(),
      )
      const broker = new FakeBroker()
      const signIn = new Door({
        book,
        anonymous: 'never',
        hash: () => assert.fail('SCRAM needs no slow check here'),
        guard: () => broker,
        audit: () => {},
        clock: new ManualClock(),
        chance: { bytes: n => Buffer.alloc(n, 7), id: () => '' },
      })
      const w = wire({}, broker, { signIn })
      w.send(SASL, client.init('SCRAM-SHA-256', 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'))
      const [mechanisms, challenge] = w.frames()
      assert.deepEqual(mechanisms?.fields[0], {
        type: 'array',
        value: [
          { type: 'symbol', value: 'SCRAM-SHA-256' },
          { type: 'symbol', value: 'PLAIN' },
        ],
      })
      const field = challenge?.fields[0]
      assert.ok(field?.type === 'binary')
      assert.match(
        Buffer.from(field.value).toString(),
        /^r=rOprNGfwEbeRWgbNEkqO[^,]+,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096$/,
      )
      const first = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
      w.send(response(clientFinal(first, Buffer.from(field.value).toString(), password)))
      const outcome = w.frames().at(-1)?.fields
      if (password === 'pencil') {
        assert.deepEqual(outcome?.[0], OK[0])
        assert.equal(outcome?.[1]?.type, 'binary', 'the server proves itself, too')
        w.send(AMQP, client.open())
        assert.equal(broker.connections, 1)
      } else {
        assert.deepEqual(outcome, [{ type: 'ubyte', value: 1 }])
        assert.ok(w.socket.ended)
      }
    })

  it('takes a certificate for a name, and nobody else for it', () => {
    for (const [certified, identity, inside] of [
      ['ann', '', true],
      ['ann', 'ann', true],
      ['ann', 'bob', false],
      [null, 'ann', false],
    ] as const) {
      const broker = new FakeBroker()
      const signIn = plainDoor(broker, {}, ['EXTERNAL'])
      const w = wire({}, broker, { signIn, visitor: { remote: 'test', local: false, certified } })
      w.send(SASL, client.init('EXTERNAL', identity))
      const outcome = w.frames().at(-1)?.fields
      if (inside) assert.deepEqual(outcome, OK)
      else assert.deepEqual(outcome, [{ type: 'ubyte', value: 1 }])
    }
  })

  it('refuses frames that are not due: a second init, an answer to nothing', () => {
    for (const late of [client.init('ANONYMOUS'), response('x')]) {
      const signIn = plainDoor(new FakeBroker(), { ann: 'secret' })
      const w = wire({}, undefined, { signIn })
      w.send(SASL, ...(late === undefined ? [] : [response('x')]))
      assert.ok(w.socket.ended)
      const twice = wire({}, undefined, { signIn })
      signIn.later = true
      twice.send(SASL, Buffer.concat([client.init('PLAIN', '\0ann\0wrong'), late]))
      signIn.answer()
      twice.clock.settle()
      assert.ok(twice.socket.ended)
      assert.ok(twice.frames().every(f => f.code !== 0x10))
    }
  })
})
