// What stands in a LockFile record that this server wants to append: everything but its id. Pure over the parts it reads.

import type { Position } from '../journal/position.ts'
import type { Parts } from './parts.ts'
import type { PeerLink } from './peer-link.ts'
import type { RecordReason } from './record.ts'
import type { Draft, Reign } from './reign.ts'
import type { Sensors } from './sensors.ts'

export interface Order {
  readonly reason: RecordReason
  /** Goes on with the reign of this server; else the record begins one. */
  readonly goesOn: boolean
  readonly inSync: 'self' | 'both'
  readonly position: Position
  /** Exactly after this record, of which the peer has told; it need not have been read yet. */
  readonly after?: number
}

export function draft(order: Order, parts: Parts, sensors: Sensors, reign: Reign, peer: PeerLink): Draft {
  const { store, label, chance } = parts
  const { record } = sensors.news
  // What goes on with a reign follows that reign's own newest record, and what was offered follows the record of the offer,
  // whatever else has been seen: where another has come in between, the append is lost, as it must be.
  const ours = reign.now?.record.seq ?? 0
  const newest = order.after ?? (order.goesOn ? ours : Math.max(record?.seq ?? 0, ours))
  const me = { server: label, store: store.storeId }
  const other = { server: label === 'primary' ? ('secondary' as const) : ('primary' as const) }
  return {
    pairId: store.pairId || record?.pairId || chance.id(),
    // Forced over a register that was lost: later than everything this pair has known.
    seq: Math.max(newest, sensors.forced ? store.mk : 0) + 1,
    epoch: order.goesOn ? (reign.now?.epoch ?? 0) : 0,
    inSync: order.inSync === 'both' ? [me, { ...other, store: peer.greeting?.storeId ?? '' }] : [me],
    reason: order.reason,
    note: sensors.forced,
    position: order.position,
  }
}
