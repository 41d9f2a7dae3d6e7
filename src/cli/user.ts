// lockstep user: accounts of clients, kept in the store that both servers of the pair share.

import type { CommandModule } from 'yargs'
import type { Book } from '../access/book.ts'
import { askJson } from './admin-client.ts'
import { Misused } from './errors.ts'
import { askPassword, verifiersOf } from './password.ts'
import { targetOf, withTarget } from './target.ts'

interface UserArgs {
  target: string
  action: 'list' | 'set' | 'remove'
  name?: string
  group?: string[]
  keepPassword: boolean
  set: string[]
}

export const user: CommandModule<{}, UserArgs> = {
  command: 'user <target> [action] [name]',
  describe: 'lists, makes, changes or removes accounts of clients; ask the server that serves',
  builder: yargs =>
    withTarget(yargs)
      .positional('action', { choices: ['list', 'set', 'remove'] as const, default: 'list' as const })
      .positional('name', { type: 'string', describe: 'whose account' })
      .option('group', {
        type: 'string',
        array: true,
        nargs: 1,
        describe:
          'with set: groups of this user, joined by commas, in place of those it had; can be given more than once, "" for none',
      })
      .option('keep-password', {
        type: 'boolean',
        default: false,
        describe: 'with set: change the groups only; else the password is asked for, or read from standard input',
      })
      .example('$0 user profiles/haprofile1/primary/FES set alice --group traders,ops', 'makes or changes an account')
      .example('$0 user profiles/haprofile1/primary/FES remove alice', 'removes it') as never,
  async handler({ action, name, group, keepPassword, ...args }) {
    const target = targetOf(args.target, args.set)
    if (action === 'list') {
      const found = await askJson<ReturnType<Book['list']>>(target, '/accounts')
      return void process.stdout.write(table(found))
    }
    if (!name) throw new Misused(`Say whose account to ${action}: [name] is missing.`)
    const path = `/accounts/${encodeURIComponent(name)}`
    if (action === 'remove') {
      await askJson(target, path, { method: 'DELETE', withinMs: 65_000 })
      return void process.stdout.write(`Removed ${name}. Connections that are open stay open.\n`)
    }
    const groups = group === undefined ? {} : { groups: namesIn(group) }
    const body = { ...groups, ...(keepPassword ? {} : verifiersOf(await askPassword())) }
    await askJson(target, path, { method: 'PUT', body, withinMs: 65_000 })
    process.stdout.write(`Done: ${name}.\n`)
  },
}

/** A comma in a name would read as two of them wherever groups are listed. */
const namesIn = (given: readonly string[]): string[] =>
  given.flatMap(names => names.split(',').map(one => one.trim())).filter(one => one !== '')

const table = (found: ReturnType<Book['list']>): string =>
  found.length === 0
    ? 'There are no accounts.\n'
    : found
        .map(({ name, groups, from }) =>
          `${name}  ${from === 'profile' ? '(from the profile)' : groups.join(', ')}`.trimEnd(),
        )
        .join('\n') + '\n'
