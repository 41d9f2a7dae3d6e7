// SCRAM-SHA-256 against the exchange that RFC 7677 prints, and against clients that lie.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Account } from '../../src/access/accounts.ts'
import { clientFinal } from '../support/scram-client.ts'
import { ScramExchange, scramKeys, type ScramGround } from '../../src/access/scram.ts'

// The example of RFC 7677, section 3.
const NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const CLIENT_FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
const SERVER_FIRST = `r=rOprNGfwEbeRWgbNEkqO${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`
const CLIENT_FINAL = `c=biws,r=rOprNGfwEbeRWgbNEkqO${NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`
const SERVER_FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

const account = (name: string, password: string): Account => ({
  name,
  groups: [],
  password: '',
  scram: scramKeys(password, Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096),
})

function ground(accounts: readonly Account[]): ScramGround {
  return {
    account: name => accounts.find(a => a.name === name) ?? null,
    nonce: () => NONCE,
    decoy: name => scramKeys('nobody knows', createHash('sha256').update(name).digest().subarray(0, 16), 4096),
  }
}

describe('SCRAM-SHA-256', () => {
  it('is the exchange that RFC 7677 prints', () => {
    const exchange = new ScramExchange(ground([account('user', 'pencil')]))
    assert.deepEqual(exchange.step(CLIENT_FIRST), { next: 'challenge', text: SERVER_FIRST })
    const done = exchange.step(CLIENT_FINAL)
    assert.equal(done.next, 'done')
    assert.equal(done.next === 'done' && done.text, SERVER_FINAL)
  })

  it('refuses a wrong password, and anything after an end', () => {
    const exchange = new ScramExchange(ground([account('user', 'pen')]))
    assert.equal(exchange.step(CLIENT_FIRST).next, 'challenge')
    assert.equal(exchange.step(CLIENT_FINAL).next, 'refused')
    assert.equal(exchange.step(CLIENT_FINAL).next, 'refused')
    assert.equal(exchange.step(CLIENT_FIRST).next, 'refused')
  })

  it('lets an unknown user, and one without keys, fail at the same place as a wrong password', () => {
    for (const accounts of [[], [{ ...account('user', 'pencil'), scram: null }]]) {
      const exchange = new ScramExchange(ground(accounts))
      const challenge = exchange.step(CLIENT_FIRST)
      assert.equal(challenge.next, 'challenge')
      // Even the decoy's own password does not let anybody in.
      const final = clientFinal(CLIENT_FIRST, challenge.next === 'challenge' ? challenge.text : '', 'nobody knows')
      assert.equal(exchange.step(final).next, 'refused')
    }
  })

  it('understands names with commas and equals signs', () => {
    const first = 'n,,n=a=2Cb=3Dc,r=rOprNGfwEbeRWgbNEkqO'
    const exchange = new ScramExchange(ground([account('a,b=c', 'pencil')]))
    const challenge = exchange.step(first)
    assert.equal(challenge.next, 'challenge')
    const final = clientFinal(first, challenge.next === 'challenge' ? challenge.text : '', 'pencil')
    assert.equal(exchange.step(final).next, 'done')
  })

  for (const first of [
    '',
    'n,,n=user',
    'n,,n=user,r=short',
    'p=tls-unique,,n=user,r=rOprNGfwEbeRWgbNEkqO',
    'n,a=admin,n=user,r=rOprNGfwEbeRWgbNEkqO',
    'n,,n=us=er,r=rOprNGfwEbeRWgbNEkqO',
    `n,,n=user,r=${'x'.repeat(5000)}`,
  ])
    it(`refuses to begin with ${JSON.stringify(first.slice(0, 50))}`, () => {
      assert.equal(new ScramExchange(ground([account('user', 'pencil')])).step(first).next, 'refused')
    })

  it('refuses another nonce, another header, and a proof of another length', () => {
    for (const final of [
      CLIENT_FINAL.replace('r=r', 'r=s'),
      CLIENT_FINAL.replace('biws', 'eSws'),
      CLIENT_FINAL.replace(/p=.*/, 'p=AAAA'),
      CLIENT_FINAL.replace(/,p=.*/, ''),
    ]) {
      const exchange = new ScramExchange(ground([account('user', 'pencil')]))
      exchange.step(CLIENT_FIRST)
      assert.equal(exchange.step(final).next, 'refused', final)
    }
  })
})
