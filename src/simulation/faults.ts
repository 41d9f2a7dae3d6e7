// What goes wrong in one run, as data: drawn from the seed, printed, left out one by one when a failing run is made smaller.
// What each does to the world: inflict.ts.

import { frames } from '../replication/frames.ts'
import type { Dice } from './dice.ts'
import type { Place } from './network.ts'

/** A server by its machine, or by what it does when the fault strikes. */
export type Target = 'A' | 'B' | 'active' | 'passive'
export type Who = 'broker' | 'keeper' | 'both'

export type Deed =
  | { readonly kind: 'kill'; readonly who: Who; readonly target: Target }
  | { readonly kind: 'crash'; readonly target: Target; readonly lasts: number }
  /** Power fails in the middle of an operation of its disk, so many from now. */
  | { readonly kind: 'crash at write'; readonly target: Target; readonly operations: number; readonly lasts: number }
  | { readonly kind: 'freeze'; readonly who: Who; readonly target: Target; readonly lasts: number }
  | { readonly kind: 'sleep'; readonly target: Target; readonly lasts: number }
  | { readonly kind: 'cut'; readonly links: readonly (readonly [Place, Place])[]; readonly lasts: number }
  | { readonly kind: 'slow'; readonly from: Place; readonly to: Place; readonly ms: number; readonly lasts: number }
  | { readonly kind: 'share hangs'; readonly lasts: number }
  | { readonly kind: 'share fails'; readonly probability: number; readonly executed: number; readonly lasts: number }
  | { readonly kind: 'gateway crashes'; readonly lasts: number }
  | { readonly kind: 'share rolled back'; readonly ageMs: number }
  | { readonly kind: 'disk full'; readonly target: Target; readonly room: number; readonly lasts: number }
  | { readonly kind: 'flush fails'; readonly target: Target }
  | { readonly kind: 'bit flips'; readonly target: Target; readonly place: number }
  | { readonly kind: 'clock jumps'; readonly target: Target; readonly ms: number }
  | { readonly kind: 'switchover' }
  | { readonly kind: 'stop'; readonly target: Target; readonly lasts: number }
  | { readonly kind: 'force active'; readonly target: Target }

export interface Fault {
  /** True time from the start. */
  readonly at: number
  /** Strikes at the next moment of this kind after `at` (a frame sent, a record linked), if there is one. */
  readonly when: string | null
  readonly deed: Deed
}

type Kind = Deed['kind']

/** Kinds and how often each is among those of a run. */
const WEIGHTS: readonly (readonly [Kind, number])[] = [
  ['kill', 5],
  ['crash', 4],
  ['crash at write', 3],
  ['freeze', 5],
  ['sleep', 1],
  ['cut', 6],
  ['slow', 2],
  ['share hangs', 3],
  ['share fails', 3],
  ['gateway crashes', 2],
  ['share rolled back', 0.4],
  ['disk full', 1],
  ['flush fails', 1],
  ['bit flips', 0.6],
  ['clock jumps', 1],
  ['switchover', 4],
  ['stop', 3],
  ['force active', 0.6],
]

const MOMENTS = [
  'link',
  'rename',
  'unlink',
  'GREETING',
  'ROLE',
  'SYNC_BEGIN',
  'SYNC_READY',
  'SNAPSHOT_CHUNK',
  'SNAPSHOT_END',
  'RECORDS',
  'CONFIRM',
  'JOIN_PREPARE',
  'JOIN_PREPARED',
  'JOINED',
  'HANDOVER',
  'TAKEN',
  'BYE',
  'PONG',
]

export const frameMoment = new Map<number, string>(
  Object.entries(frames).map(([name, { number }]) => [number, name] as const),
)

export function drawFaults(dice: Dice, actMs: number, leaseMs: number): Fault[] {
  const kinds = drawKinds(dice)
  const count = dice.whole(1, 12)
  const faults: Fault[] = []
  // Most faults come close to one another: one alone is what the pair is made for.
  let at = dice.likely(0.8) ? dice.between(3000, 9000) : dice.between(0, 3000)
  for (let n = 0; n < count && at < actMs; n++) {
    const deed = draw(dice, dice.pick(kinds), leaseMs)
    faults.push({ at: Math.round(at), when: dice.likely(0.35) ? dice.pick(MOMENTS) : null, deed })
    at += dice.likely(0.5) ? dice.stretch(1, 1000) : dice.stretch(500, 8000)
  }
  return faults
}

function drawKinds(dice: Dice): Kind[] {
  const wanted = dice.whole(1, 5)
  const kinds: Kind[] = []
  const total = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0)
  while (kinds.length < wanted) {
    let left = dice.next() * total
    for (const [kind, weight] of WEIGHTS) {
      left -= weight
      if (left < 0) {
        kinds.push(kind)
        break
      }
    }
  }
  return kinds
}

function drawLinks(dice: Dice): (readonly [Place, Place])[] {
  const links: (readonly [Place, Place])[] = []
  for (const [a, b] of [
    ['A', 'B'],
    ['A', 'G'],
    ['B', 'G'],
  ] as const) {
    if (!dice.likely(0.45)) continue
    const ways = dice.next()
    if (ways < 0.8) links.push([a, b])
    if (ways < 0.6 || ways >= 0.8) links.push([b, a])
  }
  return links.length > 0
    ? links
    : [
        ['A', 'B'],
        ['B', 'A'],
      ]
}

function draw(dice: Dice, kind: Kind, leaseMs: number): Deed {
  const target = dice.pick<Target>(['A', 'B', 'active', 'active', 'passive'])
  const lasts = Math.round(dice.likely(0.4) ? leaseMs * dice.between(0.7, 1.6) : dice.stretch(20, 12_000))
  const who = dice.pick<Who>(['broker', 'broker', 'keeper', 'both'])
  switch (kind) {
    case 'kill':
      return { kind, who, target }
    case 'crash':
    case 'stop':
    case 'sleep':
      return { kind, target, lasts }
    case 'crash at write':
      return { kind, target, lasts, operations: Math.round(dice.stretch(1, 60)) }
    case 'freeze':
      // A broker that is frozen alone is killed by its keeper before its lease is over.
      return { kind, who: who === 'broker' && lasts > leaseMs ? 'both' : who, target, lasts }
    case 'cut':
      return { kind, links: drawLinks(dice), lasts }
    case 'slow': {
      const [from, to] = dice.pick<readonly [Place, Place]>([
        ['A', 'B'],
        ['B', 'A'],
        ['A', 'G'],
        ['G', 'B'],
        ['G', 'A'],
        ['B', 'G'],
      ])
      return { kind, from, to, ms: Math.round(dice.stretch(5, 900)), lasts }
    }
    case 'share hangs':
    case 'gateway crashes':
      return { kind, lasts }
    case 'share fails':
      return { kind, probability: dice.between(0.05, 1), executed: dice.next(), lasts }
    case 'share rolled back':
      return { kind, ageMs: Math.round(dice.stretch(500, 30_000)) }
    case 'disk full':
      return { kind, target, room: Math.round(dice.stretch(1, 60_000)), lasts }
    case 'flush fails':
    case 'force active':
      return { kind, target }
    case 'bit flips':
      return { kind, target, place: dice.next() }
    case 'clock jumps':
      return { kind, target, ms: Math.round(dice.stretch(50, 100_000) * (dice.likely(0.5) ? 1 : -1)) }
    case 'switchover':
      return { kind }
  }
}

export function showFault({ at, when, deed }: Fault): string {
  const { kind, ...rest } = deed
  const more = Object.entries(rest).map(([name, value]) =>
    name === 'links' ? (value as [Place, Place][]).map(link => link.join('>')).join(' ') : `${name} ${String(value)}`,
  )
  return `${(at / 1000).toFixed(3)} s${when === null ? '' : `, at the next ${when}`}: ${kind}${more.length > 0 ? `, ${more.join(', ')}` : ''}`
}
