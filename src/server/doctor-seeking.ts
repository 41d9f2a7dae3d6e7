// Two doctors, one on each host, find each other in the LockFile's folder and agree that they have: either both go into
// the meeting (doctor-meeting.ts) or neither does, however late each of them runs. Names alone, as the lock does it:
//
//   here.<session>.*                I am here (with what I am inside)
//   meet.<follower>.<leader>.*      the follower has seen the leader and asks it; a ghost of an earlier run never answers
//   decided.<follower>.<leader>.*   made exclusively: by the leader, the meeting takes place; by the follower, it has
//                                   waited long enough and goes
//   meeting.<follower>.<leader>.*   the folder of the meeting; the leader makes it before it decides
//
// The one whose session sorts first is the leader. Whoever finds a question decided, and not by itself, knows what the other
// one did. Nobody renames or removes what the other made: in a folder with the sticky bit, of two users, that is refused.

import fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Identity } from '../doctor/peer.ts'
import { DOCTOR_PREFIX } from './doctor-folder.ts'

export interface Presence {
  readonly identity: Identity
  /** The share makes links, as seen from there. */
  readonly withLinks: boolean
}

export interface Encounter {
  readonly theirs: Presence
  /** The meeting's own folder, there for both. */
  readonly place: string
  readonly leads: boolean
}

const LOOK_MS = 50
/** Ghosts of earlier runs, at most. */
const MOST_ASKED = 8

export const monotonic = (): number => Number(process.hrtime.bigint() / 1000n) / 1000
export const stamp = (): string => `.${Date.now()}`
export const touch = (path: string): void => fs.closeSync(fs.openSync(path, 'wx'))
export const read = (folder: string, name: string): unknown => JSON.parse(fs.readFileSync(join(folder, name), 'utf8'))

/** Whole before it has its name: nobody reads half of it. */
export function publish(folder: string, name: string, value: unknown): void {
  const unnamed = join(folder, `${DOCTOR_PREFIX}new.${process.pid}.${name.length}${stamp()}`)
  fs.writeFileSync(unnamed, JSON.stringify(value), { flag: 'wx', flush: true })
  fs.renameSync(unnamed, join(folder, name))
}

const SESSION = '([0-9a-f]{16})'
const HERE = new RegExp(`^\\${DOCTOR_PREFIX}here\\.${SESSION}\\.\\d+$`)
const QUESTION = new RegExp(`^\\${DOCTOR_PREFIX}meet\\.${SESSION}\\.${SESSION}\\.\\d+$`)

/** What belongs to a question, for both. */
const of = (kind: 'decided' | 'meeting', question: string): string => question.replace('meet', kind)

export class Seeker {
  readonly #folder: string
  readonly #session: string
  readonly #mine: Presence
  /** The questions of this follower by leader. */
  readonly #asked = new Map<string, string>()
  readonly #made = new Set<string>()
  #end: number

  constructor(folder: string, mine: Presence, waitMs: number) {
    this.#folder = folder
    this.#session = mine.identity.session
    this.#mine = mine
    this.#end = monotonic() + waitMs
  }

  /** From now on, whatever was meant before. */
  goOnFor(ms: number): void {
    this.#end = monotonic() + ms
  }

  announce(): void {
    const here = `${DOCTOR_PREFIX}here.${this.#session}${stamp()}`
    this.#made.add(here)
    publish(this.#folder, here, this.#mine)
  }

  /** Null where nobody came in time. */
  async seek(): Promise<Encounter | null> {
    for (;;) {
      const names = fs.readdirSync(this.#folder)
      // Of the time that is over a look is left: what was agreed on by then holds.
      const isLast = monotonic() > this.#end
      const encounter = this.#agreedAsFollower(names) ?? (isLast ? this.#withdraw() : this.#agreeAsLeader(names))
      if (encounter !== null || isLast) return encounter
      this.#ask(names)
      await sleep(LOOK_MS)
    }
  }

  /** Takes away all that was made here. */
  leave(): void {
    for (const name of this.#made) fs.rmSync(join(this.#folder, name), { force: true })
  }

  #ask(names: readonly string[]): void {
    for (const name of names) {
      const leader = HERE.exec(name)?.[1]
      if (leader === undefined || leader >= this.#session || this.#asked.has(leader)) continue
      if (this.#asked.size >= MOST_ASKED) return
      const question = `${DOCTOR_PREFIX}meet.${this.#session}.${leader}${stamp()}`
      this.#made.add(question)
      touch(join(this.#folder, question))
      this.#asked.set(leader, question)
    }
  }

  #agreedAsFollower(names: readonly string[]): Encounter | null {
    for (const [leader, question] of this.#asked)
      if (names.includes(of('decided', question))) {
        this.#asked.delete(leader)
        this.#withdraw()
        return this.#encounter(leader, question, false)
      }
    return null
  }

  /** Takes all questions back; where a leader was quicker, that meeting takes place. */
  #withdraw(): Encounter | null {
    let agreed: Encounter | null = null
    for (const [leader, question] of this.#asked)
      if (!this.#decide(question)) agreed ??= this.#encounter(leader, question, false)
    this.#asked.clear()
    return agreed
  }

  #agreeAsLeader(names: readonly string[]): Encounter | null {
    const question = names.find(name => QUESTION.exec(name)?.[2] === this.#session)
    if (question === undefined || names.includes(of('decided', question))) return null
    // Nobody is in two meetings.
    const elsewhere = this.#withdraw()
    if (elsewhere !== null) return elsewhere
    const place = join(this.#folder, of('meeting', question))
    fs.mkdirSync(place)
    // The other one may be another user.
    fs.chmodSync(place, 0o777)
    if (this.#decide(question)) return this.#encounter(QUESTION.exec(question)?.[1] as string, question, true)
    fs.rmdirSync(place)
    return null
  }

  /** False where the other one has decided already. */
  #decide(question: string): boolean {
    const decision = of('decided', question)
    try {
      touch(join(this.#folder, decision))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
    this.#made.add(decision)
    return true
  }

  #encounter(session: string, question: string, leads: boolean): Encounter {
    const here = fs.readdirSync(this.#folder).find(name => HERE.exec(name)?.[1] === session)
    if (here === undefined) throw new Error('it went away in the moment of meeting')
    return { theirs: read(this.#folder, here) as Presence, place: of('meeting', question), leads }
  }
}
