// One connection to a client, for clients that ask for it, as JMS clients with an identifier do (OASIS, AMQP Enforcing Connection
// Uniqueness 1.0). Those that do not ask are not counted: weak detection, as we tell in open.
//
// A client whose network broke comes back while its former connection still looks open here. It is refused as long as that one
// may be alive; so that this is not for long, the former one gets an empty frame, to which a machine that knows nothing of it
// any more answers with a reset; and one that was silent for longer than we asked for in open is taken for dead.

import type { FieldsOf, performatives } from './performatives.ts'
import type { Value } from './types.ts'
import { bool, map, sym, uint } from './types.ts'

const CAPABILITY = 'sole-connection-for-container'
const CLOSE_EXISTING = 1
const WEAK = 1

/** Offered in open, and what kind of detection that is. */
export const soleCapability = sym(CAPABILITY)
export const soleProperties: readonly Value[] = [sym('sole-connection-detection-policy'), uint(WEAK)]

/** In the error of the connection that is refused, and of the one that makes way. */
export const refusedInfo = map([sym('invalid-field'), sym('container-id')])
export const replacedInfo = map([sym('sole-connection-enforcement'), bool(true)])

/** A connection, as the others of its client see it. */
export interface SoleMember {
  /** For how long nothing has come from its client, ms. */
  readonly silentMs: number
  /** Sends an empty frame. */
  poke(): void
  /** Another one takes its place. */
  replaced(): void
}

type Open = FieldsOf<typeof performatives.open>

const closesExisting = ({ properties }: Open): boolean => {
  const at = properties?.findIndex(
    each => each.type === 'symbol' && each.value === 'sole-connection-enforcement-policy',
  )
  const policy = at === undefined || at < 0 || at % 2 === 1 ? undefined : properties?.[at + 1]
  return policy?.type === 'uint' && policy.value === CLOSE_EXISTING
}

export class SoleConnections {
  readonly #members = new Map<string, SoleMember>()
  readonly #names = new Map<SoleMember, string>()

  /** False where it is refused. `silentMs`: after so long in silence a client has broken its word. */
  enter(member: SoleMember, user: string, open: Open, silentMs: number): boolean {
    if (!(open.desiredCapabilities ?? []).includes(CAPABILITY)) return true
    const name = `${user}\n${open.containerId}`
    const former = this.#members.get(name)
    if (former !== undefined && !closesExisting(open) && former.silentMs <= silentMs) {
      former.poke()
      return false
    }
    // It leaves by that.
    former?.replaced()
    this.#members.set(name, member)
    this.#names.set(member, name)
    return true
  }

  leave(member: SoleMember): void {
    const name = this.#names.get(member)
    if (name === undefined) return
    this.#names.delete(member)
    this.#members.delete(name)
  }
}
