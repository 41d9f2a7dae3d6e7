// What the admin API answers when it does not do what was asked. `ADMIN_STATUS` gives the HTTP status of each.

import { defineErrors } from '../base/errors.ts'

const adminErrors = {
  'NO-SUCH-PATH': {
    what: 'There is nothing at {path}.',
    remedy: 'docs/admin.md lists what the admin API offers.',
  },
  METHOD: { what: '{path} does not answer to {method}.', remedy: 'Use {allowed}.' },
  TOKEN: {
    what: 'This request needs the admin token.',
    remedy: 'Send `Authorization: Bearer <security.adminToken>`, or ask from the machine itself.',
  },
  'WRONG-TOKEN': {
    what: 'The token of this request is not the admin token of this server.',
    remedy:
      'Give security.adminToken of its profile (LOCKSTEP_ADMIN_TOKEN for an admin URL). From the machine itself none is needed: leave it out.',
  },
  ORIGIN: {
    what: 'A web page may not use the admin API.',
    remedy: 'Use lockstep or another client that is no browser, and name the server by its address.',
  },
  QUERY: {
    what: 'The query of this request is not as it must be: {problem}.',
    remedy: 'docs/admin.md says what may be asked.',
  },
  BODY: { what: 'The body of this request is not as it must be: {problem}.', remedy: 'Send JSON: {form}.' },
  'TOO-LARGE': { what: 'The body of this request is larger than {limit} bytes.', remedy: 'Send less.' },
  'NO-SUCH-QUARANTINE': {
    what: 'There is no quarantine called {name}.',
    remedy: 'lockstep quarantine <profile-folder> list shows what there is.',
  },
  'TOO-LATE': {
    what: 'The server has not done it within {seconds} s.',
    remedy: 'It may still be under way: look at lockstep status.',
  },
  PORT: {
    what: 'The admin port {host}:{port} can not be opened: {problem}.',
    remedy: 'Stop what uses it, or choose another rmiServerPort (and backupRMIServerPort on the other server).',
  },
} as const

export type AdminErrorName = keyof typeof adminErrors

export const adminError = defineErrors('ADMIN', adminErrors)

export const ADMIN_STATUS: Readonly<Record<AdminErrorName, number>> = {
  'NO-SUCH-PATH': 404,
  METHOD: 405,
  TOKEN: 401,
  'WRONG-TOKEN': 401,
  ORIGIN: 403,
  QUERY: 400,
  BODY: 400,
  'TOO-LARGE': 413,
  'NO-SUCH-QUARANTINE': 404,
  'TOO-LATE': 504,
  PORT: 500,
}
