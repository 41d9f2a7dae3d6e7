// What a network can do to a pair, as data: cuts of one or both directions of each link, connections that die without a
// word, and links that become slow. `active` is the server that is ACTIVE before it, its peer is PASSIVE.
import { other, type Label } from '../support/drill.ts'
import type { Network } from '../support/hosts.ts'
import { LEASE_MS, type NetworkPair } from './pair.ts'

export interface NetworkFault {
  readonly name: string
  readonly hurt: (network: Network, active: Label, passive: Label) => void
  /** Does more than the network can. */
  readonly also?: (pair: NetworkPair, active: Label) => Promise<void>
  readonly forMs: number
  /** The client of the drill is not served until it is healed. */
  readonly outage?: true
  /** The active server stays what it is. */
  readonly stays?: true
  /** Bound on the longest pause between two acknowledgements. */
  readonly withinMs: number
  /** Part of the short run. */
  readonly short?: true
}

const HURT_MS = 2.5 * LEASE_MS
/** The client's connection is silent, and it must find that out before it turns to the other server. */
const CLIENT_MS = 6000
const LOST_MS = 2 * LEASE_MS
const QUICK_MS = LEASE_MS

// prettier-ignore
export const faults: readonly NetworkFault[] = [
  { name: 'cut between the servers', hurt: (n, a, p) => n.cut(a, p), forMs: HURT_MS, stays: true, withinMs: QUICK_MS },
  { name: 'one way: active to passive lost', hurt: (n, a, p) => n.cutOneWay(a, p), forMs: HURT_MS, stays: true, withinMs: QUICK_MS, short: true },
  { name: 'one way: passive to active lost', hurt: (n, a, p) => n.cutOneWay(p, a), forMs: HURT_MS, stays: true, withinMs: QUICK_MS },
  { name: 'cut active - gateway', hurt: (n, a) => n.cut(a, 'gateway'), forMs: HURT_MS, withinMs: QUICK_MS },
  { name: 'cut passive - gateway', hurt: (n, _, p) => n.cut(p, 'gateway'), forMs: HURT_MS, stays: true, withinMs: QUICK_MS },
  { name: 'one way: active to gateway lost', hurt: (n, a) => n.cutOneWay(a, 'gateway'), forMs: HURT_MS, withinMs: QUICK_MS },
  { name: 'one way: gateway to active lost', hurt: (n, a) => n.cutOneWay('gateway', a), forMs: HURT_MS, withinMs: QUICK_MS },
  { name: 'active cut off from peer and gateway', hurt: (n, a, p) => { n.cut(a, p); n.cut(a, 'gateway') }, forMs: HURT_MS, withinMs: LOST_MS, short: true },
  { name: 'passive cut off from peer and gateway', hurt: (n, a, p) => { n.cut(a, p); n.cut(p, 'gateway') }, forMs: HURT_MS, stays: true, withinMs: QUICK_MS },
  { name: 'one way: all that the active sends to peer and gateway lost', hurt: (n, a, p) => { n.cutOneWay(a, p); n.cutOneWay(a, 'gateway') }, forMs: HURT_MS, withinMs: LOST_MS },
  { name: 'one way: all that peer and gateway send to the active lost', hurt: (n, a, p) => { n.cutOneWay(p, a); n.cutOneWay('gateway', a) }, forMs: HURT_MS, withinMs: LOST_MS },
  { name: 'cable of the active pulled', hurt: (n, a) => n.unplug(a), forMs: 3 * LEASE_MS, withinMs: LOST_MS + CLIENT_MS },
  { name: 'cable of the passive pulled', hurt: (n, _, p) => n.unplug(p), forMs: HURT_MS, stays: true, withinMs: QUICK_MS },
  { name: 'cable of the gateway pulled', hurt: n => n.unplug('gateway'), forMs: HURT_MS, stays: true, withinMs: QUICK_MS },
  { name: 'gateway gone, then cut between the servers', hurt: n => n.unplug('gateway'), also: async (pair, active) => { await pause(HURT_MS); pair.network.cut(active, other(active)) }, forMs: HURT_MS, outage: true, withinMs: 12 * LEASE_MS },
  { name: 'client cut off from the active', hurt: (n, a) => n.cut(a, 'client'), forMs: HURT_MS, stays: true, outage: true, withinMs: HURT_MS + CLIENT_MS },
  { name: 'half open: connections between the servers die in silence', hurt: (n, a, p) => void n.halfOpen(a, p), forMs: HURT_MS, stays: true, withinMs: QUICK_MS, short: true },
  { name: 'half open: connections of the client die in silence', hurt: (n, a) => void n.halfOpen(a, 'client'), forMs: HURT_MS, stays: true, withinMs: CLIENT_MS },
  { name: 'slow: the passive at 2 Mbit/s', hurt: (n, _, p) => n.slow(p, 2000, 200), forMs: HURT_MS, stays: true, withinMs: LOST_MS },
  { name: 'slow: the gateway at 128 kbit/s', hurt: n => n.slow('gateway', 128, 400), forMs: HURT_MS, withinMs: QUICK_MS },
  { name: 'slow: the gateway at 128 kbit/s, and the active dies', hurt: n => n.slow('gateway', 128, 400), also: async (pair, active) => { pair.server(active).signal('both', 'SIGKILL'); await pair.server(active).exit; pair.start(active) }, forMs: HURT_MS, withinMs: 3 * LEASE_MS },
  { name: 'kill -9 of the active while the gateway is cut off from it', hurt: (n, a) => n.cut(a, 'gateway'), also: async (pair, active) => { pair.server(active).signal('both', 'SIGKILL'); await pair.server(active).exit; pair.start(active) }, forMs: HURT_MS, withinMs: LOST_MS },
]

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
