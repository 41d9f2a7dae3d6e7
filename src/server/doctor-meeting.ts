// Two doctors, one on each host, meet in the LockFile's folder and measure what only two can: how late each sees what the
// other writes, whether operations exclude across the hosts, how far their clocks are apart. A job of a process of its
// own (doctor-jobs.ts). They talk through names alone, never through files that are replaced, as the lock does:
//
//   here.<session>...      I am here (with my identity inside)
//   meet.<mine>.<theirs>   I have seen you: with the same of yours we have met; a ghost of an earlier run never answers
//   meeting.<both>/        v.*: there and back; go.*: a race at the time named; won.*: who believes to have won what
//
// The one whose session sorts first leads.

import fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RACES, type RaceOp, type RaceResult } from '../doctor/folder.ts'
import type { Identity } from '../doctor/peer.ts'
import { DOCTOR_PREFIX } from './doctor-folder.ts'
import type { Step } from './doctor-jobs.ts'
import { attempt, nameOf, prepare } from './doctor-races.ts'

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
const LOOK_MS = 50
/** Ghosts of earlier runs, at most. */
const MOST_MET = 8
const THERE_AND_BACK = 20
const THERE_AND_BACK_LIMIT_MS = 15_000
const ANSWER_LIMIT_MS = 30_000
const ROUNDS = 30
const SLOT_MS = 12
const LEAD_MS = 150

const monotonic = (): number => Number(process.hrtime.bigint() / 1000n) / 1000
/** The time of day with fractions: one reading of it, carried on by the monotonic clock. */
const wallStart = Date.now() - monotonic()
const wall = (): number => Math.round((wallStart + monotonic()) * 100) / 100

export async function meetJob(job: MeetJob, step: Step): Promise<Met> {
  const nobody: Met = { theirs: null, broken: '', seenHereMs: [], seenThereMs: [], races: [] }
  step('announcing the meeting', nobody)
  const announced = announce(job)
  try {
    step('waiting for the other doctor', nobody)
    const theirs = await findOther(job, announced)
    if (theirs === null) return nobody
    const meeting = new Meeting(job, theirs)
    try {
      step('the meeting of both doctors', { ...nobody, theirs })
      return await meeting.hold()
    } catch (error) {
      return {
        ...nobody,
        theirs,
        seenHereMs: meeting.here,
        seenThereMs: meeting.there,
        broken: (error as Error).message,
      }
    } finally {
      meeting.leave()
    }
  } finally {
    for (const name of announced) fs.rmSync(join(job.folder, name), { force: true })
  }
}

const stamp = (): string => `.${Date.now()}`
const touch = (path: string): void => fs.closeSync(fs.openSync(path, 'wx'))

/** Whole before it has its name: nobody reads half of it. */
function publish(folder: string, name: string, value: unknown): void {
  const unnamed = join(folder, `${DOCTOR_PREFIX}new.${process.pid}.${name.length}${stamp()}`)
  fs.writeFileSync(unnamed, JSON.stringify(value), { flag: 'wx', flush: true })
  fs.renameSync(unnamed, join(folder, name))
}

const read = (folder: string, name: string): unknown => JSON.parse(fs.readFileSync(join(folder, name), 'utf8'))

function announce({ folder, identity }: MeetJob): string[] {
  const here = `${DOCTOR_PREFIX}here.${identity.session}${stamp()}`
  publish(folder, here, identity)
  return [here]
}

const HERE = new RegExp(`^\\${DOCTOR_PREFIX}here\\.([0-9a-f]{16})\\.\\d+$`)

async function findOther({ folder, identity, waitMs }: MeetJob, announced: string[]): Promise<Identity | null> {
  const seen = new Set<string>()
  let end = monotonic() + waitMs
  // The other one is there and looks elsewhere: it will not come.
  process.on('message', (message: object) => {
    if ('enough' in message) end = -Infinity
  })
  while (monotonic() < end) {
    const names = fs.readdirSync(folder)
    for (const name of names) {
      const session = HERE.exec(name)?.[1]
      if (session === undefined || session === identity.session) continue
      if (!seen.has(session) && seen.size < MOST_MET) {
        seen.add(session)
        const meet = `${DOCTOR_PREFIX}meet.${identity.session}.${session}${stamp()}`
        touch(join(folder, meet))
        announced.push(meet)
      }
      if (names.some(other => other.startsWith(`${DOCTOR_PREFIX}meet.${session}.${identity.session}.`)))
        return read(folder, name) as Identity
    }
    await sleep(LOOK_MS)
  }
  return null
}

class Meeting {
  readonly here: number[] = []
  readonly there: number[] = []
  readonly #folder: string
  readonly #theirs: Identity
  readonly #leads: boolean
  readonly #me: 'a' | 'b'
  readonly #other: 'a' | 'b'
  readonly #withLinks: boolean

  constructor(job: MeetJob, theirs: Identity) {
    const [first = '', second = ''] = [job.identity.session, theirs.session].toSorted()
    this.#theirs = theirs
    this.#leads = job.identity.session === first
    this.#me = this.#leads ? 'a' : 'b'
    this.#other = this.#leads ? 'b' : 'a'
    this.#withLinks = job.withLinks
    // Both must name it alike, so its time is not in its name as in others: it is swept with the rest of the session.
    this.#folder = join(job.folder, `${DOCTOR_PREFIX}meeting.${first}.${second}`)
    fs.mkdirSync(this.#folder, { recursive: true })
  }

  async hold(): Promise<Met> {
    await (this.#leads ? this.#lead() : this.#follow())
    const races: RaceResult[] = []
    for (const op of RACES) if (op !== 'link' || this.#withLinks) races.push(await this.#race(op))
    publish(this.#folder, `seen.${this.#me}`, this.here)
    await this.#names(name => name === `seen.${this.#other}`)
    const there = read(this.#folder, `seen.${this.#other}`) as number[]
    this.#mark('bye')
    await this.#names(name => name === `bye.${this.#other}`)
    return { theirs: this.#theirs, broken: '', seenHereMs: this.here, seenThereMs: there, races }
  }

  /** The leader tidies up when the other one has said goodbye, or is lost. */
  leave(): void {
    if (this.#leads) fs.rmSync(this.#folder, { recursive: true, force: true })
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
