// The operator's last resort: a server that is not in sync may take over, and what only the peer has is given up. Also the
// way on from a register that went back, over which no server takes over by itself.

import type { CodedError } from '../base/errors.ts'
import type { Observation } from '../states/observation.ts'
import type { Role } from '../states/roles.ts'
import { haError } from './errors.ts'
import { REGISTER_WENT_BACK } from './judge.ts'
import type { Notes } from './notes.ts'
import type { Parts } from './parts.ts'
import type { Reign } from './reign.ts'
import type { Sensors } from './sensors.ts'

export interface Forced {
  readonly role: Role
  readonly observation: Observation
  readonly sensors: Sensors
  readonly reign: Reign
  readonly notes: Notes
  evaluate(): void
}

/** An operator who forces a server looks at it meanwhile. */
const FORCE_MS = 60_000

/**
 * A passive server whose peer is gone takes over by itself, without a loss, but where its record would come after others that
 * are gone. Forced, it goes the same way (L4, T1, D2): the lock, the gateway and its promise to the peer still count.
 */
const isForcible = ({ role, observation, sensors }: Forced): boolean =>
  role === 'WAITING' ||
  (role === 'PASSIVE' && observation.peer === 'DEAD' && sensors.news.fault?.code === REGISTER_WENT_BACK)

/** Null where the order stands, for a minute; else the coded reason why it does not. */
export function forceActive(server: Forced, { clock }: Pick<Parts, 'clock'>, reason: string): CodedError | null {
  const { role, observation, sensors, reign, notes } = server
  if (!isForcible(server)) return haError('NOT-FORCIBLE', { role, peer: observation.peer })
  if (sensors.gatewayUp === false) return haError('FORCE-NO-GATEWAY')
  const text = `force-active: the loss of what only the peer may hold is accepted: ${reason}`
  notes.note('operator', 'warn', text)
  sensors.forced = reason
  // On a register that went back an append may never be decided; should it be executed late, the forced one comes after.
  reign.drop()
  // An order that was forgotten must not pass over a better copy that comes later.
  clock.after(FORCE_MS, () => {
    if (sensors.forced !== reason || (server.role !== 'WAITING' && server.role !== 'PASSIVE')) return
    sensors.forced = ''
    notes.fault(haError('FORCE-LAPSED', { limitMs: FORCE_MS }))
    server.evaluate()
  })
  server.evaluate()
  return null
}
