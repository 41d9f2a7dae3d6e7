// Who may do what to which address: rows that grant, and nothing that forbids. Where no row exists at all, everybody who
// was let in may do everything; with the first one, only what is granted. Pure: who somebody is was settled before.

import { coversFilter, matchesName } from '../broker/patterns.ts'

/** send: publish to it. receive: consume from it, browse it, subscribe to it. create: make it by first use. */
export type Action = 'send' | 'receive' | 'create'
export const ACTIONS: readonly Action[] = ['send', 'receive', 'create']

/** Why a row for topics does not name `create`: it would look as if something could be kept from anybody by it. */
export const NO_CREATE =
  'create means nothing for topics, which are never made: who may send to one or receive from it may use it'

export interface Grant {
  readonly actions: readonly Action[]
  readonly kind: 'queue' | 'topic'
  /**
   * Queues: a name in which `*` stands for any run of characters. Topics: a filter with `+` and `#`. `{user}` stands for
   * the name of whoever asks.
   */
  readonly pattern: string
}

/** `user:<name>`, `group:<name>` or `everyone`. */
export type GrantTable = ReadonlyMap<string, readonly Grant[]>

export interface Person {
  readonly user: string
  readonly groups: readonly string[]
}

export interface Place {
  readonly kind: 'queue' | 'topic'
  /** Name of a queue or topic, or the filter of a subscription. */
  readonly name: string
}

export function mayDo(table: GrantTable, person: Person, action: Action, place: Place): boolean {
  if (table.size === 0) return true
  const subjects = ['everyone', `user:${person.user}`, ...person.groups.map(group => `group:${group}`)]
  return subjects.some(subject =>
    (table.get(subject) ?? []).some(
      grant => grant.kind === place.kind && grant.actions.includes(action) && covers(grant, person.user, place.name),
    ),
  )
}

const covers = ({ kind, pattern }: Grant, user: string, name: string): boolean =>
  kind === 'queue' ? matchesName(pattern, user, name) : coversFilter(pattern, user, name)
