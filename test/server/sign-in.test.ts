// Passwords of SASL PLAIN: right ones come in, wrong ones do not, and guessing hashes is slowed down without slowing those
// who have been let in before.
import assert from 'node:assert/strict'
import { randomBytes, scryptSync } from 'node:crypto'
import { signIn } from '../../src/server/sign-in.ts'

const hashed = (password: string) => {
  const salt = randomBytes(16)
  return `scrypt:${salt.toString('base64')}:${scryptSync(password, salt, 32).toString('base64')}`
}

describe('sign-in', () => {
  let now = 0
  const clock = { now: () => now, wall: () => now, after: () => ({ cancel() {} }), soon: () => {} }

  it('knows plain and hashed passwords, and refuses all others', () => {
    const check = signIn(
      false,
      new Map([
        ['ann', hashed('open')],
        ['bob', 'sesame'],
      ]),
      clock,
    )
    assert.equal(check('PLAIN', 'ann', 'open'), true)
    assert.equal(check('PLAIN', 'ann', 'open'), true)
    assert.equal(check('PLAIN', 'bob', 'sesame'), true)
    assert.equal(check('PLAIN', 'ann', 'sesame'), false)
    assert.equal(check('PLAIN', 'eve', 'open'), false)
    assert.equal(check('ANONYMOUS', '', ''), false)
    assert.equal(signIn(true, new Map(), clock)('ANONYMOUS', '', ''), true)
  })

  it('bounds the slow checks of a guesser, and lets in at once who was let in before', () => {
    const check = signIn(
      false,
      new Map([
        ['ann', hashed('open')],
        ['dan', hashed('door')],
      ]),
      clock,
    )
    assert.equal(check('PLAIN', 'ann', 'open'), true)
    for (let guess = 0; guess < 50; guess++) assert.equal(check('PLAIN', 'ann', `guess ${guess}`), false)
    assert.equal(check('PLAIN', 'dan', 'door'), false, 'no check is left for a first sign-in')
    assert.equal(check('PLAIN', 'ann', 'open'), true)
    now += 1000
    assert.equal(check('PLAIN', 'dan', 'door'), true)
  })
})
