// Sources and targets: which queue a client means by the one it asks for, what of its wishes cannot be had, and what the
// answer says. A wish that would silently change which messages somebody gets is refused, not ignored.

import type { Outcome } from '../../broker/api.ts'
import type { AmqpFault } from './errors.ts'
import { fault } from './errors.ts'
import { COORDINATOR, codeOf, composites, fieldsOf } from './performatives.ts'
import type { Value } from './types.ts'
import { NULL, array, described, list, str, sym } from './types.ts'

/** What becomes of a delivery that the client settles without saying how. */
export interface DefaultOutcome {
  readonly outcome: Outcome
  readonly undeliverableHere: boolean
}

export interface Node {
  readonly address: string
  readonly defaultOutcome: DefaultOutcome
}

const RELEASED: DefaultOutcome = { outcome: 'released', undeliverableHere: false }

export const outcomeOf = (state: number, deliveryFailed: boolean): Outcome | null => {
  if (state === composites.accepted.code) return 'accepted'
  if (state === composites.rejected.code) return 'rejected'
  if (state === composites.released.code) return 'released'
  // Modified without a failed delivery gives the message back as it was.
  if (state === composites.modified.code) return deliveryFailed ? 'modified' : 'released'
  return null
}

const readDefault = (value: Value | null): DefaultOutcome => {
  if (value === null) return RELEASED
  const code = codeOf(value)
  if (code !== composites.modified.code)
    return { outcome: outcomeOf(code, false) ?? 'released', undeliverableHere: false }
  const modified = fieldsOf(composites.modified, value)
  return {
    outcome: modified.deliveryFailed === true ? 'modified' : 'released',
    undeliverableHere: modified.undeliverableHere === true,
  }
}

const readAddress = (
  address: string | null,
  dynamic: boolean | null,
  capabilities: readonly string[] | null,
  most: number,
) => {
  if (dynamic === true) return fault('NOT-IMPLEMENTED', { what: 'a node made for this link (dynamic)' })
  if (address === null || address === '') return fault('NOT-IMPLEMENTED', { what: 'a link without an address' })
  if (address.startsWith('topic://') || capabilities?.includes('topic') === true) {
    return fault('NOT-IMPLEMENTED', { what: 'a topic' })
  }
  if (Buffer.byteLength(address) > most) return fault('LINK-FIELD', { why: `an address is longer than ${most} bytes` })
  return address
}

export const readSource = (value: Value | null, nameBytes: number): Node | AmqpFault => {
  if (value === null || codeOf(value) !== composites.source.code) {
    return fault('NOT-IMPLEMENTED', { what: 'a source that is not a queue' })
  }
  const source = fieldsOf(composites.source, value)
  const address = readAddress(source.address, source.dynamic, source.capabilities, nameBytes)
  if (typeof address !== 'string') return address
  if (source.distributionMode === 'copy') return fault('NOT-IMPLEMENTED', { what: 'browsing a queue' })
  if (source.filter !== null && source.filter.length > 0)
    return fault('NOT-IMPLEMENTED', { what: 'a filter on a queue' })
  return { address, defaultOutcome: readDefault(source.defaultOutcome) }
}

export const readTarget = (value: Value | null, nameBytes: number): Node | AmqpFault => {
  if (value !== null && codeOf(value) === COORDINATOR) return fault('NOT-IMPLEMENTED', { what: 'transactions' })
  if (value === null || codeOf(value) !== composites.target.code) {
    return fault('NOT-IMPLEMENTED', { what: 'a target that is not a queue' })
  }
  const target = fieldsOf(composites.target, value)
  const address = readAddress(target.address, target.dynamic, target.capabilities, nameBytes)
  return typeof address === 'string' ? { address, defaultOutcome: RELEASED } : address
}

const OUTCOMES = [composites.accepted, composites.rejected, composites.released, composites.modified]
const QUEUE = sym('queue')

/** The source as it really is, for the answer. */
export const sourceAnswer = (address: string): Value =>
  described(
    composites.source.code,
    // prettier-ignore
    list([str(address), NULL, NULL, NULL, NULL, NULL, sym('move'), NULL, NULL, array(OUTCOMES.map(o => sym(o.name))), QUEUE]),
  )

export const targetAnswer = (address: string): Value =>
  described(composites.target.code, list([str(address), NULL, NULL, NULL, NULL, NULL, QUEUE]))

/** The client's own end, as it gave it: its address is all that is said again. */
export const echoAnswer = (code: number, value: Value | null): Value => {
  const fields = value?.type === 'described' && value.value.type === 'list' ? value.value.value : []
  return described(code, list(fields[0]?.type === 'string' ? [fields[0]] : []))
}

/** Long enough for a sentence, short enough for the smallest frame. */
const DESCRIPTION_CHARS = 300

export const errorValue = (condition: string, description: string): Value =>
  described(composites.error.code, list([sym(condition), str(description.slice(0, DESCRIPTION_CHARS))]))
