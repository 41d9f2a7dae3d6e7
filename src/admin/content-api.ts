// The part of the admin API that is about what is in the broker: lists of a bounded length, the fullest first.

import { matchesName } from '../broker/patterns.ts'
import { adminError } from './errors.ts'
import type { AdminSubject } from './subject.ts'

/** Entries of a list, unless another number is asked for; and at most. */
const USUAL_ENTRIES = 1000
const MOST_ENTRIES = 100_000

interface Entry {
  readonly messages: number
}

/** What a list is answered with; `total`: how many match, of which the list may hold fewer. */
export interface Listing<T> {
  readonly total: number
  readonly entries: readonly T[]
}

/** `?match=orders.*`: `*` stands for any characters; `?limit=10`. */
function listing<T extends Entry>(all: readonly T[], nameOf: (entry: T) => string, query: URLSearchParams): Listing<T> {
  const pattern = query.get('match') ?? '*'
  const limit = Number(query.get('limit') ?? USUAL_ENTRIES)
  if (!Number.isInteger(limit) || limit < 0 || limit > MOST_ENTRIES)
    throw adminError('QUERY', { problem: `limit is not a number from 0 to ${MOST_ENTRIES}` })
  const found = all.filter(entry => matchesName(pattern, '', nameOf(entry)))
  const compare = (a: T, b: T): number => b.messages - a.messages || (nameOf(a) < nameOf(b) ? -1 : 1)
  return { total: found.length, entries: found.toSorted(compare).slice(0, limit) }
}

export const queueList = ({ content }: AdminSubject, query: URLSearchParams) =>
  listing(content.queues(), ({ name }) => name, query)

export const subscriptionList = ({ content }: AdminSubject, query: URLSearchParams) =>
  listing(content.subscriptions(), ({ name }) => name, query)

export const sessionList = ({ content }: AdminSubject, query: URLSearchParams) =>
  listing(content.sessions(), ({ client }) => client, query)
