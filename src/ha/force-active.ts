// The operator's last resort: a server that is not in sync may take over, and what only the peer has is given up.

import type { CodedError } from '../base/errors.ts'
import type { Role } from '../states/roles.ts'
import { haError } from './errors.ts'
import type { Notes } from './notes.ts'
import type { Parts } from './parts.ts'
import type { Reign } from './reign.ts'
import type { Sensors } from './sensors.ts'

export interface Forced {
  readonly role: Role
  readonly sensors: Sensors
  readonly reign: Reign
  readonly notes: Notes
  evaluate(): void
}

/** An operator who forces a server looks at it meanwhile. */
const FORCE_MS = 60_000

/** Null where the order stands, for a minute; else the coded reason why it does not. */
export function forceActive(server: Forced, { clock }: Pick<Parts, 'clock'>, reason: string): CodedError | null {
  const { role, sensors, reign, notes } = server
  if (role !== 'WAITING') return haError('NOT-FORCIBLE', { role })
  if (sensors.gatewayUp === false) return haError('FORCE-NO-GATEWAY')
  const text = `force-active: the loss of what only the peer may hold is accepted: ${reason}`
  notes.note('operator', 'warn', text)
  sensors.forced = reason
  // On a register that went back an append may never be decided; should it be executed late, the forced one comes after.
  reign.drop()
  // An order that was forgotten must not pass over a better copy that comes later.
  clock.after(FORCE_MS, () => {
    if (sensors.forced !== reason || server.role !== 'WAITING') return
    sensors.forced = ''
    notes.fault(haError('FORCE-LAPSED', { limitMs: FORCE_MS }))
    server.evaluate()
  })
  server.evaluate()
  return null
}
