// lockstep permission: who may do what. As long as there is no permission at all, everybody who was let in may do
// everything; with the first one, only what is granted.

import type { CommandModule } from 'yargs'
import { ACTIONS, type Action, type Grant, NO_CREATE } from '../access/permissions.ts'
import { askJson } from './admin-client.ts'
import { cliError, EXIT, failed, Misused } from './errors.ts'
import { targetOf, withTarget, type Target } from './target.ts'

interface PermissionArgs {
  target: string
  action: 'list' | 'grant' | 'revoke'
  subject?: string
  actions?: string
  kind?: 'queue' | 'topic'
  pattern?: string
  set: string[]
}

const OPEN = 'There are no permissions: everybody who is let in may do everything.\n'

type Table = Record<string, readonly Grant[]>

export const permission: CommandModule<{}, PermissionArgs> = {
  command: 'permission <target> [action] [subject] [actions] [kind] [pattern]',
  describe: 'lists, grants or revokes permissions; ask the server that serves',
  builder: yargs =>
    withTarget(yargs)
      .positional('action', { choices: ['list', 'grant', 'revoke'] as const, default: 'list' as const })
      .positional('subject', { type: 'string', describe: 'user:<name>, group:<name> or everyone' })
      .positional('actions', { type: 'string', describe: `some of ${ACTIONS.join(', ')}, joined by commas` })
      .positional('kind', { choices: ['queue', 'topic'] as const })
      .positional('pattern', {
        type: 'string',
        describe: 'a queue name with * for any characters, or a topic filter; {user} is the name of who asks',
      })
      .example('$0 permission <target> grant group:traders send,receive queue "orders.*"', '')
      .example('$0 permission <target> grant everyone receive topic "prices/#"', '')
      .example('$0 permission <target> revoke everyone', 'takes all of its permissions') as never,
  async handler({ action, subject, actions, kind, pattern, ...args }) {
    const target = targetOf(args.target, args.set)
    const fetched = () => askJson<Table>(target, '/permissions')
    if (action === 'list') return void process.stdout.write(shown(await fetched()))
    if (subject === undefined) throw new Misused(`Say whom to ${action}: user:<name>, group:<name> or everyone.`)
    if (action === 'revoke' && actions === undefined) return put(target, subject, [])
    if (actions === undefined || kind === undefined || pattern === undefined) {
      throw new Misused(`${action} takes a subject, actions, queue or topic, and a pattern.`)
    }
    const named = actions.split(',').map(one => one.trim())
    const unknown = named.find(one => !ACTIONS.includes(one as Action))
    if (unknown !== undefined) throw new Misused(`${unknown} is no action; there are ${ACTIONS.join(', ')}.`)
    if (action === 'grant' && kind === 'topic' && named.includes('create')) throw new Misused(`${NO_CREATE}.`)
    const before = (await fetched())[subject] ?? []
    const after = changed(before, action, named as Action[], kind, pattern)
    if (action === 'revoke' && sizeOf(after) === sizeOf(before))
      throw failed(cliError('NOT-GRANTED', { subject, actions, kind, pattern }), EXIT.failed)
    await put(target, subject, after)
  },
}

async function put(target: Target, subject: string, grants: readonly Grant[]): Promise<void> {
  const path = `/permissions/${encodeURIComponent(subject)}`
  await askJson(target, path, { method: 'PUT', body: grants, withinMs: 65_000 })
  process.stdout.write(shown({ [subject]: grants }))
  if (grants.length > 0) return
  const left = await askJson<Table>(target, '/permissions')
  if (Object.keys(left).length === 0) process.stderr.write(`Warning: ${OPEN}`)
}

function changed(
  before: readonly Grant[],
  action: 'grant' | 'revoke',
  actions: readonly Action[],
  kind: 'queue' | 'topic',
  pattern: string,
): Grant[] {
  const same = (grant: Grant): boolean => grant.kind === kind && grant.pattern === pattern
  const had = before.filter(same).flatMap(grant => grant.actions)
  const has = action === 'grant' ? [...new Set([...had, ...actions])] : had.filter(one => !actions.includes(one))
  const others = before.filter(grant => !same(grant))
  return has.length === 0 ? others : [...others, { actions: has, kind, pattern }]
}

const sizeOf = (grants: readonly Grant[]): number => grants.reduce((sum, { actions }) => sum + actions.length, 0)

const shown = (table: Table): string => {
  const lines = Object.entries(table).flatMap(([subject, grants]) =>
    grants.map(({ actions, kind, pattern }) => `${subject}  ${actions.join(',')}  ${kind}  ${pattern}`),
  )
  if (lines.length > 0) return `${lines.join('\n')}\n`
  const [subject] = Object.keys(table)
  return subject === undefined ? OPEN : `${subject} has no permissions.\n`
}
