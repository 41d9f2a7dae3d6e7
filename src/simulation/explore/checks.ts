// What must hold in every state, and what counts as a pair at rest.

import { lists } from '../../ha/judge.ts'
import { SERVING } from '../../states/roles.ts'
import type { Events } from './events.ts'
import { LABELS, recordAt, roleStates, type Bounds, type Server, type World } from './model.ts'

/** May this server acknowledge or deliver at this moment, by the real rule over its grounds? */
function acts(server: Server, events: Events, side: 0 | 1): boolean {
  if (!server.up || !SERVING.has(server.role) || server.mode === 'frozen') return false
  const { rig } = events.sides[side]
  rig.s = server
  return rig.gate.mayServe
}

/** The first promise that does not hold in this state, or ''. */
export function broken(world: World, events: Events, bounds: Bounds): string {
  const { servers, share, used } = world
  const record = recordAt(share.newest)
  if (record)
    for (const x of [0, 1] as const) {
      const s = servers[x]
      const { rig } = events.sides[x]
      rig.s = s
      // By the true identity of the disk, whatever the rules take for it.
      const stores = record.inSync.filter(m => m.server === LABELS[x])
      const mine = rig.without === 'store id' ? stores.length > 0 : lists(record, LABELS[x], rig.storeId)
      if (!mine) continue
      for (let op = 0; op < used.ops; op++) {
        if ((used.acked & (1 << op)) === 0) continue
        const what = String.fromCharCode(97 + op)
        if (!holds(s.log, what)) return `P2: ${what} was acknowledged, the ${LABELS[x]} is listed and does not have it`
      }
    }
  for (const x of [0, 1] as const) {
    const s = servers[x]
    if (SERVING.has(s.role) && s.dirty) return `P4: the ${LABELS[x]} is ${s.role} with half a copy`
    if (SERVING.has(s.role) && s.epoch === 0) return `P5: the ${LABELS[x]} is ${s.role} without a reign`
    if (stalled(s)) return `the ${LABELS[x]}'s clients wait for a peer that is not about to be listed`
    for (let i = 2; i < s.log.length; i += 2)
      if ((s.log[i] as string) < (s.log[i - 2] as string)) return `P5: epochs fall in the journal of the ${LABELS[x]}`
  }
  if (bounds.clocks === 'leases' && acts(servers[0], events, 0) && acts(servers[1], events, 1))
    return 'P1: both servers may act at this moment'
  return ''
}

/** Who serves alone, and has no record under way, acknowledges alone, but for the moment in which a follower joins. */
const stalled = (s: Server): boolean =>
  s.up && s.mode === 'joining' && !s.joining && s.pending === 0 && recordAt(s.record)?.inSync.length === 1

const holds = (log: string, what: string): boolean => {
  for (let i = 1; i < log.length; i += 2) if (log[i] === what) return true
  return false
}

/** ACTIVE and PASSIVE, each knows it of the other, and the active has a right to act. */
export function atRest({ servers }: World): boolean {
  const [a, b] = servers
  const pair = (x: Server, y: Server) =>
    x.role === 'ACTIVE' &&
    y.role === 'PASSIVE' &&
    x.peer !== 0 &&
    y.peer !== 0 &&
    roleStates.at(x.peer).role === 'PASSIVE' &&
    roleStates.at(y.peer).role === 'ACTIVE' &&
    x.mode === 'both' &&
    x.service === 'open' &&
    x.held &&
    x.committed === x.log.length / 2 &&
    y.log === x.log
  return pair(a, b) || pair(b, a)
}
