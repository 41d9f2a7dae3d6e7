// Every way in which a drill of the lab hurts the pair, its machines, the network between them and the gateway, as data.
// `active` is the server that is ACTIVE before it, its peer is PASSIVE.
import { setTimeout as sleep } from 'node:timers/promises'
import { other, type Label } from '../test/support/drill.ts'
import * as machines from './machines.ts'
import { LEASE_MS, MACHINE, type LabPair } from './pair.ts'

export interface LabFault {
  readonly name: string
  readonly hurt: (pair: LabPair, active: Label) => Promise<void>
  /** Mends what does not mend itself. The network is healed after every drill. */
  readonly heal?: (pair: LabPair, active: Label) => Promise<void>
  /** Whose process ends by it, to be started again. */
  readonly ends?: 'active' | 'passive'
  /** No server serves until it is healed. */
  readonly outage?: true
  /** Bound on the longest pause between two acknowledgements; the table has the figures. */
  readonly withinMs: number
  /** Part of the short run. */
  readonly short?: true
}

/** Long enough that a lease runs out and the other server has served for a while. */
const HURT_MS = 2 * LEASE_MS
/** A machine or server that is lost without a word: the lease, what the share delays, and slow machines. */
const LOST_MS = 2.5 * LEASE_MS
/** No lease is waited for, but the share's delay and slow machines are. */
const QUICK_MS = LEASE_MS

const signalled =
  (whom: 'keeper' | 'broker' | 'both', signal: NodeJS.Signals) =>
  (pair: LabPair, active: Label): Promise<void> =>
    pair.signal(active, whom, signal)

const cutting =
  (cut: (active: machines.Machine, passive: machines.Machine) => void, ms = HURT_MS) =>
  async (_: LabPair, active: Label): Promise<void> => {
    cut(MACHINE[active], MACHINE[other(active)])
    await sleep(ms)
  }

const frozenMachine = async (machine: machines.Machine): Promise<void> => {
  machines.freeze(machine)
  await sleep(HURT_MS)
  machines.thaw(machine)
}

const onGateway =
  (which: 'stopServer' | 'withdraw') =>
  async (pair: LabPair): Promise<void> => {
    await machines.sh('G', pair.share[which])
    await sleep(HURT_MS)
  }

const offerAgain = async (pair: LabPair): Promise<void> => {
  await machines.sh('G', pair.share.offerAgain)
  if (pair.share.mustRemount) await pair.remount()
}

const { cut, cutOneWay } = machines

// prettier-ignore
export const faults: readonly LabFault[] = [
  { name: 'switchover', hurt: (pair, active) => pair.switchover(active), withinMs: QUICK_MS },
  { name: 'kill -9 of the active broker', hurt: signalled('broker', 'SIGKILL'), ends: 'active', withinMs: QUICK_MS, short: true },
  { name: 'kill -9 of the active keeper', hurt: signalled('keeper', 'SIGKILL'), ends: 'active', withinMs: QUICK_MS },
  { name: 'kill -9 of both', hurt: signalled('both', 'SIGKILL'), ends: 'active', withinMs: LOST_MS },
  { name: 'active machine crashes', hurt: (_, active) => machines.crash(MACHINE[active]), heal: (pair, active) => pair.rebooted(active), withinMs: LOST_MS },
  { name: 'passive machine crashes', hurt: (_, active) => machines.crash(MACHINE[other(active)]), heal: (pair, active) => pair.rebooted(other(active)), withinMs: QUICK_MS },
  { name: 'active machine frozen, then thawed', hurt: (_, active) => frozenMachine(MACHINE[active]), withinMs: LOST_MS },
  { name: 'passive machine frozen, then thawed', hurt: (_, active) => frozenMachine(MACHINE[other(active)]), withinMs: QUICK_MS },
  { name: 'cable of the active machine pulled', hurt: cutting(a => machines.unplug(a)), withinMs: LOST_MS },
  { name: 'cut between the servers', hurt: cutting((a, b) => cut(a, b)), withinMs: QUICK_MS },
  { name: 'cut active - gateway', hurt: cutting(a => cut(a, 'G'), 3 * LEASE_MS), withinMs: QUICK_MS },
  { name: 'cut passive - gateway', hurt: cutting((_, b) => cut(b, 'G')), withinMs: QUICK_MS },
  { name: 'active machine cut off from both', hurt: cutting((a, b) => { cut(a, b); cut(a, 'G') }), withinMs: LOST_MS, short: true },
  { name: 'passive machine cut off from both', hurt: cutting((a, b) => { cut(a, b); cut(b, 'G') }), withinMs: QUICK_MS },
  { name: 'one way: active to passive lost', hurt: cutting((a, b) => cutOneWay(a, b)), withinMs: QUICK_MS },
  { name: 'one way: passive to active lost', hurt: cutting((a, b) => cutOneWay(b, a)), withinMs: QUICK_MS },
  { name: 'one way: active to gateway lost', hurt: cutting(a => cutOneWay(a, 'G')), withinMs: QUICK_MS },
  { name: 'one way: gateway to active lost', hurt: cutting(a => cutOneWay('G', a)), withinMs: QUICK_MS },
  { name: 'one way: all that the active sends lost', hurt: cutting((a, b) => { cutOneWay(a, b); cutOneWay(a, 'G') }), withinMs: LOST_MS },
  { name: 'gateway loses power and boots', hurt: async () => { await machines.crash('G'); await machines.boot('G') }, withinMs: QUICK_MS },
  { name: 'gateway frozen, then thawed', hurt: () => frozenMachine('G'), withinMs: QUICK_MS },
  { name: 'server of the share killed, started later', hurt: onGateway('stopServer'), heal: pair => machines.sh('G', pair.share.startServer).then(() => {}), withinMs: QUICK_MS },
  { name: 'export withdrawn, offered again', hurt: onGateway('withdraw'), heal: offerAgain, withinMs: QUICK_MS },
  { name: 'export withdrawn, then cut between the servers', hurt: async (pair, active) => { await onGateway('withdraw')(pair); await cutting((a, b) => cut(a, b))(pair, active) }, heal: offerAgain, outage: true, withinMs: 12 * LEASE_MS },
]
