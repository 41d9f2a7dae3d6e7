// The HA states of a server, as operators know them.

export const ROLES = ['WAITING', 'ACTIVE SYNC', 'PASSIVE SYNC', 'ACTIVE', 'PASSIVE', 'STANDALONE'] as const
export type Role = (typeof ROLES)[number]

/** What is said of the peer: its role as it broadcast it, or DEAD while the back channel is down. */
export type PeerRole = Role | 'DEAD'

/** Client ports are open in these roles only. */
export const SERVING: ReadonlySet<Role> = new Set<Role>(['ACTIVE SYNC', 'ACTIVE', 'STANDALONE'])
