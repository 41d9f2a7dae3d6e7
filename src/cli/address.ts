// lockstep address: what is settled for queues and topics: limits, what becomes of messages that no consumer takes, and when.
// It is kept in the store that both servers of the pair share, and counts from the moment it is there.

import type { CommandModule } from 'yargs'
import {
  AddressBook,
  addressRows,
  type AddressEntry,
  type AddressKind,
  type AddressSettings,
} from '../broker/address-settings.ts'
import { askJson } from './admin-client.ts'
import { nearest } from '../profiles/nearest.ts'
import { Misused } from './errors.ts'
import { targetOf, withTarget } from './target.ts'

interface AddressArgs {
  target: string
  action: 'list' | 'show' | 'set' | 'remove'
  kind?: AddressKind
  pattern?: string
  settings?: string[]
  set: string[]
}

type Table = Record<string, AddressSettings>
type Key = keyof AddressSettings

const KEYS = Object.keys(addressRows) as Key[]
const WITHIN_MS = 65_000

export const address: CommandModule<{}, AddressArgs> = {
  command: 'address <target> [action] [kind] [pattern] [settings..]',
  describe: 'lists, shows, sets or removes what is settled for queues and topics; ask the server that serves',
  builder: yargs =>
    withTarget(yargs)
      .positional('action', { choices: ['list', 'show', 'set', 'remove'] as const, default: 'list' as const })
      .positional('kind', { choices: ['queue', 'topic'] as const })
      .positional('pattern', {
        type: 'string',
        describe: 'a queue name with * for any characters, or a topic filter; with show: one queue or topic',
      })
      .positional('settings', {
        type: 'string',
        array: true,
        describe: `key=value, and key= takes one away; keys: ${KEYS.join(', ')}`,
      })
      .example('$0 address <target> set queue "orders.*" maxDeliveries=5 deadLetter=orders.dead', '')
      .example('$0 address <target> set queue orders.eu whenFull=drop-oldest maxMessages=1000', '')
      .example('$0 address <target> show queue orders.eu', 'what counts for it: of all patterns the most exact one')
      .example('$0 address <target> remove queue "orders.*"', '') as never,
  async handler({ action, kind, pattern, settings = [], ...args }) {
    const target = targetOf(args.target, args.set)
    const fetched = () => askJson<Table>(target, '/addresses')
    if (action === 'list') return void process.stdout.write(shown(await fetched()))
    if (kind === undefined) throw new Misused(`Say what to ${action}: queue or topic, and a pattern.`)
    if (pattern === undefined) throw new Misused(`Say which ${kind} to ${action}: a pattern is missing.`)
    if (action === 'show') return void process.stdout.write(inForce(await fetched(), kind, pattern))
    const name = `${kind}/${pattern}`
    const path = `/addresses/${encodeURIComponent(name)}`
    if (action === 'remove') {
      await askJson(target, path, { method: 'DELETE', withinMs: WITHIN_MS })
      return void process.stdout.write(`Removed ${kind} ${pattern}.\n`)
    }
    const changes = parsed(settings)
    const before = (await fetched())[name]
    const body = changed(before ?? {}, changes)
    // An entry with nothing in it would hide what wider patterns say.
    if (Object.keys(body).length === 0) {
      if (before !== undefined) await askJson(target, path, { method: 'DELETE', withinMs: WITHIN_MS })
      return void process.stdout.write(`Nothing is settled by ${kind} ${pattern} any more.\n`)
    }
    await askJson(target, path, { method: 'PUT', body, withinMs: WITHIN_MS })
    process.stdout.write(shown({ [name]: body }))
  },
}

type Changes = readonly (readonly [Key, string])[]

function parsed(settings: readonly string[]): Changes {
  if (settings.length === 0) throw new Misused(`Say what to set, as key=value; keys: ${KEYS.join(', ')}.`)
  return settings.map(each => {
    const [key = '', value] = each.split(/=(.*)/s, 2)
    if (value === undefined) throw new Misused(`${each} is not key=value; keys: ${KEYS.join(', ')}.`)
    if (!(key in addressRows)) {
      const near = nearest(key, KEYS)
      throw new Misused(
        `There is no key ${key}${near === null ? '' : `; did you mean ${near}?`} Keys: ${KEYS.join(', ')}.`,
      )
    }
    return [key as Key, value]
  })
}

function changed(before: AddressSettings, changes: Changes): AddressSettings {
  const made: Record<string, string | number | undefined> = { ...before }
  for (const [key, value] of changes) {
    if (value === '') delete made[key]
    else made[key] = addressRows[key].form === 'number' ? Number(value) : value
  }
  return made as AddressSettings
}

const lineOf = (settings: AddressSettings): string =>
  KEYS.filter(key => settings[key] !== undefined)
    .map(key => `${key}=${settings[key]}`)
    .join(' ')

const shown = (table: Table): string => {
  const lines = Object.entries(table).map(([name, settings]) => `${name.replace('/', '  ')}  ${lineOf(settings)}`)
  return lines.length > 0
    ? `${lines.join('\n')}\n`
    : 'Nothing is settled for any address: the limits of the profile count.\n'
}

function inForce(table: Table, kind: AddressKind, name: string): string {
  const entries = Object.entries(table).map(([of, settings]): AddressEntry => {
    const [first, pattern] = of.split(/\/(.*)/s, 2) as [AddressKind, string]
    return { kind: first, pattern, settings }
  })
  const found = new AddressBook(entries).find(kind, name)
  return found === null
    ? `Nothing is settled for the ${kind} ${name}: the limits of the profile count.\n`
    : `${lineOf(found.settings)}\nby ${kind} ${found.pattern}\n`
}
