// What can be wrong with an operator's wish about accounts and permissions.

import { defineErrors } from '../base/errors.ts'

export const accessError = defineErrors('ACCESS', {
  ACCOUNT: {
    what: 'The account {name} cannot be set so: {why}.',
    remedy: 'lockstep user --help shows the form.',
  },
  'NO-ACCOUNT': {
    what: 'There is no account {name} in the store of the pair.',
    remedy: 'lockstep user <target> list shows the accounts; those from a profile are changed there.',
  },
  GRANT: {
    what: 'The permissions of {subject} cannot be set so: {why}.',
    remedy: 'lockstep permission --help shows the form.',
  },
  STORE: {
    what: 'The store of the pair does not take the change: {why}.',
    remedy: 'Accounts and permissions are changed on the server that serves; lockstep status says which one that is.',
  },
})
