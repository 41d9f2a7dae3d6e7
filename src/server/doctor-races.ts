// Do operations exclude between processes? Several contenders, a process each, go for the same name at the same moment,
// round after round; of each round exactly one may believe that it has won. The judging is in src/doctor/folder.ts, the
// races between two hosts are in doctor-meeting.ts.

import fs from 'node:fs'
import { join } from 'node:path'
import { RACES, type RaceOp, type RaceResult } from '../doctor/folder.ts'
import { startJob, type Done, type RunningJob, type Step } from './doctor-jobs.ts'

export interface ContendJob {
  readonly job: 'contend'
  readonly folder: string
  /** Which of the contenders this is. */
  readonly me: number
}

interface Round {
  readonly op: RaceOp
  readonly round: number
  /** On the monotonic clock, which all processes of a host share. */
  readonly at: number
}

/** All start at the same moment: a message needs some time to be everywhere. */
const LEAD_MS = 3

const monotonic = (): number => Number(process.hrtime.bigint() / 1000n) / 1000

/** One attempt; true where the operation said that it was carried out. */
export function attempt(op: RaceOp, folder: string, name: string, mine: string): boolean {
  try {
    switch (op) {
      case 'exclusive create':
        fs.closeSync(fs.openSync(join(folder, name), 'wx'))
        return true
      case 'mkdir':
        fs.mkdirSync(join(folder, name))
        return true
      case 'rename':
        fs.renameSync(join(folder, `${name}.source`), join(folder, `${name}.${mine}`))
        return true
      case 'link':
        fs.linkSync(join(folder, `own.${mine}`), join(folder, name))
        return true
    }
  } catch (error) {
    if (LOST.has((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

const LOST = new Set(['EEXIST', 'ENOENT', 'EBUSY', 'EAGAIN', 'EACCES', 'EPERM'])

export const nameOf = (op: RaceOp, round: number): string => `${op.replace(' ', '-')}.${round}`

/** What the rounds need beforehand. */
export function prepare(op: RaceOp, folder: string, round: number): void {
  if (op === 'rename') fs.closeSync(fs.openSync(join(folder, `${nameOf(op, round)}.source`), 'wx'))
}

export function contendJob({ folder, me }: ContendJob, step: Step): Promise<null> {
  step('exclusive create')
  fs.closeSync(fs.openSync(join(folder, `own.${me}`), 'wx'))
  return new Promise((resolve, reject) => {
    process.on('message', (round: Round | { over: true } | ContendJob) => {
      if ('over' in round) return resolve(null)
      if (!('op' in round)) return
      try {
        step(`${round.op}, against others`)
        while (monotonic() < round.at);
        process.send?.({ said: attempt(round.op, folder, nameOf(round.op, round.round), String(me)) })
      } catch (error) {
        reject(error as Error)
      }
    })
    process.send?.({ said: 'ready' })
  })
}

export interface Races {
  readonly results: readonly RaceResult[]
  /** The contender that failed or fell silent, if any. */
  readonly trouble: Done<null> | null
}

const startContender = (job: ContendJob, limitMs: number): RunningJob<null> => startJob<null>(job, limitMs)

/** Runs all kinds of races in `folder`, which is the doctor's own. Bounded by `limitMs`. */
export async function runRaces(
  folder: string,
  contenders: number,
  rounds: number,
  limitMs: number,
  withLinks: boolean,
): Promise<Races> {
  const all = Array.from({ length: contenders }, (_, me) => startContender({ job: 'contend', folder, me }, limitMs))
  const results: RaceResult[] = []
  let trouble: Done<null> | null = null
  const failed = Promise.race(all.map(each => each.done)).then(done => {
    if (done.value === null && (done.failure !== null || done.silent !== '')) trouble = done
  })
  const gathered = (): Promise<unknown[] | null> => Promise.race([Promise.all(all.map(said)), failed.then(() => null)])
  let ready = await gathered()
  for (const op of withLinks ? RACES : RACES.filter(each => each !== 'link')) {
    const result = { op, rounds: 0, doubles: 0, nobody: 0 }
    for (let round = 0; round < rounds && ready !== null; round++) {
      prepare(op, folder, round)
      const answers = gathered()
      for (const each of all) each.send({ op, round, at: monotonic() + LEAD_MS })
      ready = await answers
      if (ready === null) break
      const winners = ready.filter(won => won === true).length
      result.rounds++
      if (winners > 1) result.doubles++
      if (winners === 0) result.nobody++
    }
    results.push(result)
  }
  for (const each of all) each.send({ over: true })
  await Promise.all(all.map(each => each.done))
  return { results, trouble }
}

const said = (running: RunningJob<null>): Promise<unknown> =>
  new Promise(resolve => {
    running.onSaid = resolve
  })
