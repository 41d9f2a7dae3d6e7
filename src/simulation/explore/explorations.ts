// The explorations that are run: from where, with how much of what; and each guard that is taken out, with the smallest
// of them that shows what the guard is for.

import type { Start } from './healing.ts'
import type { Bounds, Guard } from './model.ts'

export interface Exploration {
  readonly name: string
  readonly from: Start
  readonly bounds: Bounds
}

const none: Bounds = {
  ...{ ops: 1, crashes: 0, stops: 0, breaks: 0, losses: 0, switchovers: 0, aparts: 0, disks: 0, snapshots: 0 },
  ...{ records: 8, clocks: 'leases', slowDisk: false },
}

const starting =
  (from: Start) =>
  (name: string, bounds: Partial<Bounds>): Exploration => ({ name, from, bounds: { ...none, ...bounds } })
const [nothing, formed, apart] = [starting('nothing'), starting('formed'), starting('apart')]
const [joining, deposed] = [starting('joining'), starting('deposed')]

// prettier-ignore
export const explorations: readonly Exploration[] = [
  nothing('two empty servers found a pair',                    {}),
  formed('the channel breaks',                                 { breaks: 1, losses: 1 }),
  formed('a crash',                                            { crashes: 1, ops: 2 }),
  formed('a crash and a broken channel',                       { crashes: 1, breaks: 1 }),
  formed('two crashes',                                        { crashes: 2 }),
  formed('a switchover and a broken channel',                  { switchovers: 1, breaks: 1 }),
  formed('a switchover and a crash',                           { switchovers: 1, crashes: 1 }),
  formed('only the peer reaches the LockFile',                 { aparts: 1, losses: 1, breaks: 1 }),
  formed('only the peer reaches the LockFile, and a crash',    { aparts: 1, losses: 1, crashes: 1 }),
  apart('the peer comes back',                                 { ops: 2 }),
  apart('the peer comes back, and the channel breaks again',   { breaks: 1, losses: 1 }),
  joining('a crash while the peer is listed',                  { crashes: 1, breaks: 1 }),
  joining('no clock to trust while the peer is listed',        { crashes: 1, breaks: 1, clocks: 'none' }),
  deposed('no clock to trust, a reign has ended unnoticed',     { crashes: 1, clocks: 'none' }),
  formed('a stop',                                             { stops: 1, breaks: 1 }),
  formed('a crash, disks that flush late',                     { crashes: 1, slowDisk: true }),
  formed('a crash and an empty disk',                          { crashes: 1, disks: 1 }),
  formed('a crash and a snapshot',                             { crashes: 1, snapshots: 1 }),
  formed('no clock to trust, the channel breaks',              { breaks: 1, clocks: 'none' }),
  formed('no clock to trust, a crash',                         { crashes: 1, clocks: 'none' }),
  formed('no clock to trust, a crash and a broken channel',    { crashes: 1, breaks: 1, ops: 2, clocks: 'none' }),
]

export interface Mutant {
  readonly without: Guard
  /** What is done instead. */
  readonly what: string
  readonly exploration: Exploration
  /** Within so many states it is found. */
  readonly states: number
}

// prettier-ignore
export const mutants: readonly Mutant[] = [
  { without: 'solo first',         what: 'acknowledges before the record that drops the peer is confirmed', exploration: formed('', { breaks: 1, clocks: 'none' }), states: 1000 },
  { without: 'conditional append', what: 'an append takes the next number whatever it asked for',           exploration: formed('', { breaks: 1, clocks: 'none' }), states: 5000 },
  { without: 'wait for joining',   what: 'acknowledges without the peer that is about to be listed',        exploration: apart('', { breaks: 1, clocks: 'none' }), states: 2000 },
  { without: 'only listed',        what: 'takes over though it is not listed',                              exploration: formed('', { breaks: 1, clocks: 'none' }), states: 5000 },
  { without: 'takes alone',        what: 'a takeover lists both',                                           exploration: formed('', { breaks: 1, clocks: 'none' }), states: 4000 },
  { without: 'spare the listed',   what: 'a listed copy is replaced by snapshot',                           exploration: formed('', { breaks: 1, crashes: 1, clocks: 'none' }), states: 20000 },
  { without: 'newest leader',      what: 'follows a leader whose record is older than its own',             exploration: deposed('', { crashes: 1, clocks: 'none' }), states: 20000 },
  { without: 'prepared',           what: 'lists the peer before it said that it has everything',            exploration: apart('', { breaks: 1, clocks: 'none' }), states: 1000 },
  { without: 'store id',           what: 'a new disk under an old name counts as the old one',              exploration: formed('', { crashes: 1, disks: 1 }), states: 1000 },
  { without: 'quiet',              what: 'takes the lock though its promise still binds it',                exploration: formed('', { breaks: 1, losses: 1 }), states: 4000 },
  { without: 'promise',            what: 'acts on without lock though the promise has run out',             exploration: formed('', { breaks: 1, losses: 1 }), states: 9000 },
  { without: 'lease',              what: 'acts on though its lease has run out',                            exploration: formed('', { breaks: 1, losses: 1 }), states: 9000 },
  { without: 'superseded',         what: 'a reign does not end where a newer record is another\'s',         exploration: deposed('', { clocks: 'none' }), states: 12000 },
  { without: 'solo lets go',       what: 'a peer that drops out while it is being listed goes on being waited for', exploration: joining('', { crashes: 1, breaks: 1 }), states: 8000 },
  { without: 'frozen offer',       what: 'goes on acting while it offers its reign',                        exploration: formed('', { switchovers: 1 }), states: 1000 },
  { without: 'place of the offer', what: 'an offer is taken though other records came since',               exploration: formed('', { switchovers: 1 }), states: 3000 },
  { without: 'resume by record',   what: 'takes an offer back without a record',                            exploration: formed('', { switchovers: 1, breaks: 0 }), states: 1000 },
]
