// What a change of role asks of the world, as data. One place performs them: src/ha/acts.ts.

import { SERVING, type Role } from './roles.ts'

export type Effect =
  /** Tell the operator and the peer: the contracted console line, and a ROLE frame. */
  | {
      readonly type: 'announce'
      readonly role: Role
      readonly previous: Role
      readonly because: string
      readonly rule: string
    }
  /** Open the client ports; every message in the queues may have been delivered by a former active server. */
  | { readonly type: 'serve' }
  /** Close the client ports and connections: this server does not act any more. */
  | { readonly type: 'retire' }
  /** Forget reign and synchronization: what comes next begins anew. */
  | { readonly type: 'forget' }
  /** From now on records need nobody but this server (the LockFile says so). */
  | { readonly type: 'commit alone' }
  /** From now on records need both servers. */
  | { readonly type: 'commit together' }
  /** Follow the peer: take its records, make none. */
  | { readonly type: 'follow' }

/** The effects of one change of role, in the order in which they must be performed. */
export function effectsOf(previous: Role, role: Role, rule: string, because: string): Effect[] {
  const effects: Effect[] = []
  if (SERVING.has(previous) && !SERVING.has(role)) effects.push({ type: 'retire' })
  if (role === 'WAITING') effects.push({ type: 'forget' })
  if (role === 'STANDALONE' || (role === 'ACTIVE SYNC' && previous === 'WAITING'))
    effects.push({ type: 'commit alone' })
  if (role === 'ACTIVE') effects.push({ type: 'commit together' })
  if (role === 'PASSIVE SYNC' || role === 'PASSIVE') effects.push({ type: 'follow' })
  effects.push({ type: 'announce', role, previous, because, rule })
  if (!SERVING.has(previous) && SERVING.has(role)) effects.push({ type: 'serve' })
  return effects
}
