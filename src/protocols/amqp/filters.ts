// The filters of a source (section 3.5.8) that are known here, as they are registered for AMQP: JMS selectors and no-local.
// A filter is known by the descriptor of its value; what it is called in the map is the client's choice, and is said again in
// the answer. One that is not known is refused: to leave it out would change which messages a client gets.

import { type Selector, selectorOf } from '../../broker/selector/selector.ts'
import type { AmqpFault } from './errors.ts'
import { fault } from './errors.ts'
import type { Value } from './types.ts'
import { map, NULL } from './types.ts'

export interface Filters {
  readonly selector: Selector | null
  /** What the client's own connections publish it does not want. */
  readonly noLocal: boolean
  /** The filters in force, as the client gave them. */
  readonly inForce: readonly Value[]
}

export const NO_FILTERS: Filters = { selector: null, noLocal: false, inForce: [] }

const SELECTOR = 'apache.org:selector-filter:string'
const NO_LOCAL = 'apache.org:no-local-filter:list'
const byCode: ReadonlyMap<bigint, string> = new Map([
  [0x0000_468c_0000_0004n, SELECTOR],
  [0x0000_468c_0000_0003n, NO_LOCAL],
])

/** `kind`: no-local means something to topics only; a queue does not know who sent what is in it. */
export function readFilters(filters: readonly Value[] | null, kind: string): Filters | AmqpFault {
  if (filters === null) return NO_FILTERS
  let selector: Selector | null = null
  let noLocal = false
  const inForce: Value[] = []
  for (let i = 0; i + 1 < filters.length; i += 2) {
    const [key, value] = [filters[i] as Value, filters[i + 1] as Value]
    const name = nameOf(key, value)
    const content = value.type === 'described' ? value.value : value
    if (name === SELECTOR) {
      if (content.type !== 'string') return fault('LINK-FIELD', { why: 'a selector is no string' })
      const found = selectorOf(content.value)
      if (typeof found === 'string') return fault('LINK-FIELD', { why: `the selector cannot be read: ${found}` })
      if (selector !== null) return fault('LINK-FIELD', { why: 'there are two selectors' })
      selector = found
    } else if (name === NO_LOCAL) {
      if (kind !== 'topic') continue
      noLocal = true
    } else if (value.type === 'null') continue
    else return fault('NOT-IMPLEMENTED', { what: `the filter ${printed(key, value)}` })
    inForce.push(key, value)
  }
  return { selector: selector?.text.trim() === '' ? null : selector, noLocal, inForce }
}

/** By its descriptor; some clients give the bare value under the registered name. */
function nameOf(key: Value, value: Value): string {
  if (value.type !== 'described') return value.type !== 'null' && key.type === 'symbol' ? key.value : ''
  const { descriptor } = value
  if (descriptor.type === 'ulong') return byCode.get(descriptor.value) ?? ''
  return descriptor.type === 'symbol' ? descriptor.value : ''
}

function printed(key: Value, value: Value): string {
  const name = value.type === 'described' ? value.descriptor : key
  if (name.type === 'ulong') return `0x${name.value.toString(16)}`
  return name.type === 'symbol' || name.type === 'string' ? name.value : '(without a name)'
}

/** For the answer; null where there are none. */
export const filtersAnswer = ({ inForce }: Filters): Value => (inForce.length === 0 ? NULL : map(inForce))
