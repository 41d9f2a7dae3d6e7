// The part of the admin API that is about accounts, permissions and settings of addresses. Passwords never come here, only
// what is kept of them: commands reckon that on the operator's machine.

import { CodedError } from '../base/errors.ts'
import { adminError } from './errors.ts'
import type { AdminSubject, Answer } from './subject.ts'

const ACCOUNT_FORM = '{"groups": ["..."], "password": "scrypt:...", "scram": {...}}'
const ADDRESS_FORM = '{"maxMessages": 1000, "whenFull": "drop-oldest", ...}'
const GRANTS_FORM = '[{"actions": ["send", "receive", "create"], "kind": "queue", "pattern": "orders.*"}]'

const withBody = (body: Uint8Array, form: string, done: Answer, use: (value: unknown) => void): void => {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return done(adminError('BODY', { problem: 'it is not JSON', form }))
  }
  try {
    use(value)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    done(error)
  }
}

export const setAccount = (subject: AdminSubject, name: string, body: Uint8Array, done: Answer): void =>
  withBody(body, ACCOUNT_FORM, done, value => subject.access.setAccount(name, value, done))

export const setGrants = (subject: AdminSubject, name: string, body: Uint8Array, done: Answer): void =>
  withBody(body, GRANTS_FORM, done, value => subject.access.setGrants(name, value, done))

export const setAddress = (subject: AdminSubject, name: string, body: Uint8Array, done: Answer): void =>
  withBody(body, ADDRESS_FORM, done, value => subject.addresses.set(name, value, done))
