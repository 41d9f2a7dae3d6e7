// Two doctors, one on each host, that have found each other in the LockFile's folder (doctor-seeking.ts) measure what only
// two can: how late each sees what the other writes, whether operations exclude across the hosts, how far their clocks are
// apart. A job of a process of its own (doctor-jobs.ts). They talk through names alone, never through files that are
// replaced, as the lock does, in a folder of this one meeting:
//
//   v.*     there and back
//   go.*    a race at the time named; won.*: who believes to have won what
//   seen.*  what each has seen; bye.*: the follower needs nothing of this folder any more, so the leader takes it away

import fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RACES, type RaceOp, type RaceResult } from '../doctor/folder.ts'
import type { Identity } from '../doctor/peer.ts'
import type { Step } from './doctor-jobs.ts'
import { attempt, nameOf, prepare } from './doctor-races.ts'
import { monotonic, publish, read, Seeker, touch, type Encounter } from './doctor-seeking.ts'

export interface MeetJob {
  readonly job: 'meet'
  readonly folder: string
  readonly identity: Identity
  readonly waitMs: number
  readonly withLinks: boolean
}

/** Times that are differences of two hosts' clocks; the offset between them is taken out by whoever judges. */
export interface Met {
  readonly theirs: Identity | null
  readonly broken: string
  /** When I saw it (my clock) - when they began to write it (their clock), and the other way round. */
  readonly seenHereMs: readonly number[]
  readonly seenThereMs: readonly number[]
  readonly races: readonly RaceResult[]
}

const POLL_MS = 3
const THERE_AND_BACK = 20
const THERE_AND_BACK_LIMIT_MS = 15_000
const ANSWER_LIMIT_MS = 30_000
const ROUNDS = 30
const SLOT_MS = 12
const LEAD_MS = 150

/** The time of day with fractions: one reading of it, carried on by the monotonic clock. */
const wallStart = Date.now() - monotonic()
const wall = (): number => Math.round((wallStart + monotonic()) * 100) / 100

/** The step from which on the other doctor finds this one, if it looks in the same folder. */
export const LOOKING = 'waiting for the other doctor'

export async function meetJob({ folder, identity, withLinks, waitMs }: MeetJob, step: Step): Promise<Met> {
  const nobody: Met = { theirs: null, broken: '', seenHereMs: [], seenThereMs: [], races: [] }
  const seeker = new Seeker(folder, { identity, withLinks }, waitMs)
  // The other one is known to look for this one: how long it takes to be sure that it looks elsewhere.
  process.on('message', (message: object) => {
    if ('patienceMs' in message) seeker.goOnFor(Number(message.patienceMs))
  })
  step('announcing the meeting', nobody)
  try {
    seeker.announce()
    step(LOOKING, nobody)
    const encounter = await seeker.seek()
    if (encounter === null) return nobody
    const theirs = encounter.theirs.identity
    step('the meeting of both doctors', { ...nobody, theirs })
    const meeting = new Meeting(folder, encounter, withLinks && encounter.theirs.withLinks)
    try {
      return { ...nobody, theirs, ...(await meeting.hold()) }
    } catch (error) {
      const broken = (error as Error).message
      return { ...nobody, theirs, seenHereMs: meeting.here, seenThereMs: meeting.there, broken }
    } finally {
      await meeting.leave()
    }
  } finally {
    seeker.leave()
  }
}

class Meeting {
  readonly here: number[] = []
  readonly there: number[] = []
  readonly #folder: string
  readonly #leads: boolean
  readonly #me: 'a' | 'b'
  readonly #other: 'a' | 'b'
  readonly #withLinks: boolean
  #isOver = false

  constructor(folder: string, { place, leads }: Encounter, withLinks: boolean) {
    this.#leads = leads
    this.#me = leads ? 'a' : 'b'
    this.#other = leads ? 'b' : 'a'
    this.#withLinks = withLinks
    this.#folder = join(folder, place)
  }

  async hold(): Promise<Pick<Met, 'seenHereMs' | 'seenThereMs' | 'races'>> {
    await (this.#leads ? this.#lead() : this.#follow())
    const races: RaceResult[] = []
    for (const op of RACES) if (op !== 'link' || this.#withLinks) races.push(await this.#race(op))
    publish(this.#folder, `seen.${this.#me}`, this.here)
    await this.#names(name => name === `seen.${this.#other}`)
    const there = read(this.#folder, `seen.${this.#other}`) as number[]
    // The follower goes first, and is not answered: the leader, once it has read this, takes the folder away at any moment.
    this.#isOver = true
    if (!this.#leads) this.#mark('bye')
    return { seenHereMs: this.here, seenThereMs: there, races }
  }

  /** The leader tidies up when the follower has said goodbye, or is lost. */
  async leave(): Promise<void> {
    if (!this.#leads) return
    // All is measured by then: one that never says goodbye takes nothing from it.
    if (this.#isOver) await this.#names(name => name === 'bye.b').catch(() => {})
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #mark(name: string): void {
    touch(join(this.#folder, `${name}.${this.#me}`))
  }

  /** Lists until a name is there. */
  async #names(wanted: (name: string) => boolean): Promise<string> {
    const end = monotonic() + ANSWER_LIMIT_MS
    for (;;) {
      const found = fs.readdirSync(this.#folder).find(wanted)
      if (found !== undefined) return found
      if (monotonic() > end) throw new Error(`nothing was seen of the other one for ${ANSWER_LIMIT_MS / 1000} s`)
      await sleep(POLL_MS)
    }
  }

  async #lead(): Promise<void> {
    const end = monotonic() + THERE_AND_BACK_LIMIT_MS
    for (let i = 0; i < THERE_AND_BACK && monotonic() < end; i++) {
      touch(join(this.#folder, `v.a.${i}_${wall()}`))
      const [written, seen] = fieldsOf(await this.#names(name => name.startsWith(`v.b.${i}_`)))
      this.here.push(wall() - written)
      this.there.push(seen)
    }
    this.#mark('end')
  }

  async #follow(): Promise<void> {
    for (let i = 0; ; i++) {
      const name = await this.#names(each => each.startsWith(`v.a.${i}_`) || each === 'end.a')
      if (name === 'end.a') return
      const [written] = fieldsOf(name)
      const seen = wall() - written
      this.here.push(seen)
      touch(join(this.#folder, `v.b.${i}_${wall()}_${seen.toFixed(2)}`))
    }
  }

  /** Both walk over the same names at the same times, by clocks that the leader has reckoned together. */
  async #race(op: RaceOp): Promise<RaceResult> {
    const word = op.replace(' ', '-')
    if (op === 'link') touch(join(this.#folder, `own.${this.#me}`))
    if (this.#leads) for (let round = 0; round < ROUNDS; round++) prepare(op, this.#folder, round)
    this.#mark(`ready-${word}`)
    let at: number
    if (this.#leads) {
      await this.#names(name => name === `ready-${word}.b`)
      // Of the quickest ways there and back: half of it each, so the rest is the difference of the clocks.
      const [here, there] = [Math.min(...this.here), Math.min(...this.there)]
      const offset = (there - here) / 2
      at = wall() + LEAD_MS + Math.max(...this.there.map(ms => ms - offset))
      touch(join(this.#folder, `go-${word}.a_${(at + offset).toFixed(2)}`))
    } else at = fieldsOf(await this.#names(name => name.startsWith(`go-${word}.a_`)))[0]
    const won: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(Math.max(0, at + round * SLOT_MS - wall() - 2))
      while (wall() < at + round * SLOT_MS);
      if (attempt(op, this.#folder, nameOf(op, round), this.#me)) won.push(round)
    }
    publish(this.#folder, `won-${word}.${this.#me}`, won)
    await this.#names(name => name === `won-${word}.${this.#other}`)
    const theirs = new Set(read(this.#folder, `won-${word}.${this.#other}`) as number[])
    const rounds = Array.from({ length: ROUNDS }, (_, round) => Number(won.includes(round)) + Number(theirs.has(round)))
    return {
      op,
      rounds: ROUNDS,
      doubles: rounds.filter(winners => winners > 1).length,
      nobody: rounds.filter(winners => winners === 0).length,
    }
  }
}

/** The numbers behind the first underscore. */
const fieldsOf = (name: string): [number, number] => {
  const [, written, seen] = name.split('_')
  return [Number(written), Number(seen)]
}
