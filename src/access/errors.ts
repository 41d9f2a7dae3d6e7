// What can be wrong with an operator's wish about accounts, permissions and settings of addresses.

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
  ADDRESS: {
    what: 'The settings of the address {name} cannot be made so: {why}.',
    remedy: 'lockstep address --help shows the form; docs/messaging.md has the table of settings.',
  },
  'NO-ADDRESS': {
    what: 'Nothing is settled for the address {name}.',
    remedy: 'lockstep address <target> list shows what is; the pattern must be given as it stands there.',
  },
  'NOT-THERE': {
    what: 'Nothing was changed: {why}.',
    remedy:
      'lockstep queue, subscription or session <target> list shows what there is; names are given as they stand there.',
  },
  CONTENT: {
    what: 'What there is of {name} was not changed, or not all of it: {why}.',
    remedy: 'Ask the server that serves; lockstep status says which one that is. Where no record is taken, try again.',
  },
  STORE: {
    what: 'The store of the pair does not take the change: {why}.',
    remedy:
      'Accounts, permissions and settings of addresses are changed on the server that serves; lockstep status says which one that is.',
  },
})

/** A name as an operator's line can hold it, whatever was given for one. */
export const shownName = (name: string): string =>
  (name.length > NAME_CHARACTERS ? `${name.slice(0, NAME_CHARACTERS)}…` : name).replace(
    /\p{Cc}/gu,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

const NAME_CHARACTERS = 100
