// Accounts, permissions and limits of a pair of real processes that both protocols stand on, straight through and across a kill -9.

import { join } from 'node:path'
import { LIMITS, security } from './security.ts'
import { show } from './show.ts'

show('security of a pair', [security], (label, folder) => ({
  'listeners.mqtt.host': '0.0.0.0',
  // A pair that is reached from elsewhere needs a secret of its own.
  'security.pairSecret': 'a secret of this test',
  'limits.connections': LIMITS.connections,
  'limits.userConnections': LIMITS.userConnections,
  'limits.userInFlightMessages': LIMITS.userInFlight,
  'limits.queueMessages': LIMITS.queueMessages,
  'security.auditLog': join(folder, `audit-${label}`),
}))
