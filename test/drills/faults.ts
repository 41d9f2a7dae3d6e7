// Every way in which a drill hurts the pair, as data: what is done to the active server's side and how it is healed. The
// drills test that nothing acknowledged is lost; the bench measures how long nobody was served.
import { other, type Drill, type Label } from '../support/drill.ts'

export const LEASE_MS = 3000

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

export interface Fault {
  readonly name: string
  /** Hurts; `active` is ACTIVE and its peer PASSIVE. Ends when nothing more is done to the pair but healing. */
  readonly hurt: (drill: Drill, active: Label) => Promise<void>
  /** Heals what was cut or frozen. Processes that have ended are started again by the drill itself. */
  readonly heal?: (drill: Drill, active: Label) => Promise<void>
  /** Whose process ends by it, to be started again. */
  readonly ends?: 'active' | 'passive'
  /** No server serves until it is healed: what the design calls a cut-off pair. */
  readonly outage?: true
  /** Bound on the longest pause between two acknowledgements, generous: the figures are the bench's business. */
  readonly withinMs: number
}

const signalled =
  (whom: 'keeper' | 'broker' | 'both', signal: NodeJS.Signals) => async (drill: Drill, active: Label) => {
    drill.server(active).signal(whom, signal)
  }

/** Stopped for several leases, then woken: what it does on waking is what the test is about. */
const frozen = (whom: 'keeper' | 'broker' | 'both') => async (drill: Drill, active: Label) => {
  const server = drill.server(active)
  const pids =
    whom === 'keeper'
      ? [server.keeperPid]
      : whom === 'broker'
        ? [server.brokerPid]
        : [server.keeperPid, server.brokerPid]
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  await pause(2.5 * LEASE_MS)
  for (const pid of pids)
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // its keeper has killed it meanwhile, as it should
    }
}

const healAll = async (drill: Drill) => {
  drill.healChannel()
  drill.healShare('primary')
  drill.healShare('secondary')
}

export const faults: readonly Fault[] = [
  {
    name: 'switchover',
    hurt: async (drill, active) => {
      const answer = await drill.post(active, '/switchover')
      if (answer.status !== 200) throw new Error(answer.text)
    },
    withinMs: 2000,
  },
  { name: 'graceful stop of the active server', hurt: signalled('keeper', 'SIGTERM'), ends: 'active', withinMs: 2000 },
  { name: 'kill -9 of the active broker', hurt: signalled('broker', 'SIGKILL'), ends: 'active', withinMs: 3000 },
  { name: 'kill -9 of the active keeper', hurt: signalled('keeper', 'SIGKILL'), ends: 'active', withinMs: 3000 },
  { name: 'kill -9 of both', hurt: signalled('both', 'SIGKILL'), ends: 'active', withinMs: 3 * LEASE_MS },
  { name: 'SIGSTOP of the active broker', hurt: frozen('broker'), ends: 'active', withinMs: 2 * LEASE_MS },
  { name: 'SIGSTOP of the active keeper', hurt: frozen('keeper'), ends: 'active', withinMs: 2 * LEASE_MS },
  { name: 'SIGSTOP of both', hurt: frozen('both'), withinMs: 3 * LEASE_MS },
  {
    name: 'kill -9 of the passive under load',
    hurt: async (drill, active) => drill.server(other(active)).signal('both', 'SIGKILL'),
    ends: 'passive',
    withinMs: 3000,
  },
  {
    name: 'graceful stop of the passive under load',
    hurt: async (drill, active) => drill.server(other(active)).signal('keeper', 'SIGTERM'),
    ends: 'passive',
    withinMs: 2000,
  },
  {
    name: 'cut of the back channel',
    hurt: async drill => {
      drill.cutChannel()
      await pause(1.5 * LEASE_MS)
    },
    heal: healAll,
    withinMs: LEASE_MS,
  },
  {
    name: 'cut of the active server’s share',
    hurt: async (drill, active) => {
      drill.cutShare(active)
      await pause(3.5 * LEASE_MS) // after two leases it hands over by itself
    },
    heal: healAll,
    withinMs: 2000,
  },
  {
    name: 'cut of the passive server’s share',
    hurt: async (drill, active) => {
      drill.cutShare(other(active))
      await pause(LEASE_MS)
    },
    heal: healAll,
    withinMs: 2000,
  },
  {
    name: 'cut of the active server’s share, then of the back channel',
    hurt: async (drill, active) => {
      drill.cutShare(active)
      await pause(1.5 * LEASE_MS)
      drill.cutChannel()
      await pause(2.5 * LEASE_MS)
    },
    heal: healAll,
    withinMs: 3 * LEASE_MS,
  },
  {
    name: 'cut of the back channel, then of the active server’s share',
    hurt: async (drill, active) => {
      drill.cutChannel()
      await pause(1.5 * LEASE_MS)
      drill.cutShare(active)
      await pause(1.5 * LEASE_MS)
    },
    heal: healAll,
    outage: true,
    withinMs: 8 * LEASE_MS,
  },
  {
    name: 'cut of back channel and the active server’s share at once',
    hurt: async (drill, active) => {
      drill.cutShare(active)
      drill.cutChannel()
      await pause(3 * LEASE_MS)
    },
    heal: healAll,
    withinMs: 4 * LEASE_MS,
  },
  {
    name: 'cut of both shares, then of the back channel, healed channel first',
    hurt: async drill => {
      drill.cutShare('primary')
      drill.cutShare('secondary')
      await pause(LEASE_MS)
      drill.cutChannel()
      await pause(2 * LEASE_MS)
    },
    heal: async drill => {
      drill.healChannel()
      await pause(LEASE_MS)
      await healAll(drill)
    },
    outage: true,
    withinMs: 12 * LEASE_MS,
  },
]
