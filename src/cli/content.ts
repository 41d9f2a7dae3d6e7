// lockstep queue, subscription and session: what is in the broker, one by one, and the few things that an operator may do to it.

import type { CommandModule } from 'yargs'
import type { Listing } from '../admin/content-api.ts'
import { showBytes } from '../admin/show.ts'
import type { QueueEntry, SessionEntry, SubscriptionEntry } from '../broker/inventory.ts'
import { askJson } from './admin-client.ts'
import { Misused } from './errors.ts'
import { type Target, targetOf, withTarget } from './target.ts'

interface ContentArgs {
  target: string
  action: string
  name?: string
  match: string
  limit: number
  json: boolean
  set: string[]
}

const LONG_MS = 65_000

interface Kind<T> {
  readonly word: string
  readonly lists: string
  readonly path: string
  readonly none: string
  readonly head: readonly string[]
  row(entry: T): readonly string[]
  /** What may be done besides listing: its word, what it does to one that is named, and what is said then. */
  readonly act: string
  readonly does: string
  perform(target: Target, name: string): Promise<string>
}

const remove = (target: Target, path: string, name: string): Promise<unknown> =>
  askJson(target, `${path}/${encodeURIComponent(name)}`, { method: 'DELETE', withinMs: LONG_MS })

const size = ({ messages, unsettled, bytes }: QueueEntry | SubscriptionEntry | SessionEntry): string[] => [
  String(messages),
  String(unsettled),
  showBytes(bytes),
]
const SIZE = ['messages', 'delivered', 'size']

const queues: Kind<QueueEntry> = {
  word: 'queue',
  lists: 'lists queues with what is in them, or empties one',
  path: '/queues',
  none: 'There are no such queues.',
  head: [...SIZE, 'delayed', 'paged out', 'consumers', 'queue'],
  row: entry => [
    ...size(entry),
    String(entry.delayed),
    String(entry.pagedMessages),
    String(entry.consumers),
    `${entry.name}${entry.temporary ? '  (temporary)' : ''}`,
  ],
  act: 'purge',
  does: 'takes out what is in it now and no consumer has; what is not to be delivered yet stays',
  async perform(target, name) {
    const path = `/purge/${encodeURIComponent(name)}`
    const { messages } = await askJson<{ messages: number }>(target, path, { method: 'POST', withinMs: LONG_MS })
    return `Took ${messages} messages out of ${name}.`
  },
}

const subscriptions: Kind<SubscriptionEntry> = {
  word: 'subscription',
  lists: 'lists durable subscriptions to topics, or takes one away',
  path: '/subscriptions',
  none: 'There are no such subscriptions.',
  head: [...SIZE, 'consumers', 'subscription', 'filter', 'selector'],
  row: entry => [...size(entry), String(entry.consumers), entry.name, entry.filter, entry.selector],
  act: 'remove',
  does: 'takes it away with all that waits in it; who consumes it loses the link',
  async perform(target, name) {
    await remove(target, '/subscriptions', name)
    return `Removed the subscription ${name}.`
  },
}

const sessions: Kind<SessionEntry> = {
  word: 'session',
  lists: 'lists the sessions of MQTT clients, or ends one',
  path: '/sessions',
  none: 'There are no such sessions.',
  head: [...SIZE, 'connected', 'outlives by', 'user', 'client', 'filters'],
  row: entry => [
    ...size(entry),
    entry.awaySince === null ? 'yes' : `left ${new Date(entry.awaySince).toISOString()}`,
    entry.keepMs === null ? 'for ever' : `${Math.round(entry.keepMs / 1000)} s`,
    entry.user,
    entry.client,
    entry.filters.join(' '),
  ],
  act: 'end',
  does: 'ends it with all that waits in it; a client that is connected loses its connection, and its will is published',
  async perform(target, name) {
    await remove(target, '/sessions', name)
    return `Ended the session of ${name}.`
  },
}

function command<T>(kind: Kind<T>): CommandModule<{}, ContentArgs> {
  const { word, act } = kind
  return {
    command: `${word} <target> [action] [name]`,
    describe: `${kind.lists}; ask the server that serves`,
    builder: yargs =>
      withTarget(yargs)
        .positional('action', { choices: ['list', act], default: 'list' })
        .positional('name', { type: 'string', describe: `with ${act}: of which one, as the list shows it` })
        .option('match', { nargs: 1, type: 'string', default: '*', describe: 'names to list; * for any characters' })
        .option('limit', { nargs: 1, type: 'number', default: 100, describe: 'so many, the fullest first' })
        .option('json', { type: 'boolean', default: false, describe: 'the list as JSON' })
        .example(`$0 ${word} <target>`, '')
        .example(`$0 ${word} <target> ${act} <name>`, kind.does) as never,
    async handler({ action, name, match, limit, json, ...args }) {
      const target = targetOf(args.target, args.set)
      if (action !== 'list') {
        if (name === undefined || name === '') throw new Misused(`Say which ${word} to ${act}: [name] is missing.`)
        return void process.stdout.write(`${printable(await kind.perform(target, name))}\n`)
      }
      if (name !== undefined) throw new Misused(`list takes no name: --match ${name} lists those of this name.`)
      const query = new URLSearchParams({ match, limit: String(limit) })
      const found = await askJson<Listing<T>>(target, `${kind.path}?${query.toString()}`)
      process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : table(kind, found))
    },
  }
}

export const queue = command(queues)
export const subscription = command(subscriptions)
export const session = command(sessions)

function table<T>(kind: Kind<T>, { total, entries }: Listing<T>): string {
  if (total === 0) return `${kind.none}\n`
  const { head } = kind
  const rows = [head, ...entries.map(entry => kind.row(entry).map(printable))]
  const widths = head.map((_, column) => Math.max(...rows.map(cells => (cells[column] as string).length)))
  const lines = rows.map(cells => cells.map((cell, column) => cell.padEnd(widths[column] as number)).join('  '))
  const more = total > entries.length ? [`${total - entries.length} more: --limit shows more of them.`] : []
  return `${[...lines.map(line => line.trimEnd()), ...more].join('\n')}\n`
}

/** Clients choose names: nothing of them may move a terminal's cursor. */
const printable = (text: string): string =>
  text.replace(/\p{Cc}|\p{Cf}/gu, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
