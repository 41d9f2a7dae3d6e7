// lockstep simulate: the deterministic simulation of whole pairs. One seed is run in words; many are shared out to worker
// processes, with progress, the time left, and a state file with which a long campaign goes on where it was stopped.

import { fork, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { CommandModule } from 'yargs'
import { run } from '../simulation/run.ts'
import { shrink } from '../simulation/shrink.ts'
import { story } from '../simulation/story.ts'
import { Campaign, type CampaignState } from './campaign.ts'
import { CommandFailed, cliError, EXIT, failed, Misused } from './errors.ts'
import type { SeedDone } from './simulate-worker.ts'

interface SimulateArgs {
  seeds: number
  seed?: string
  minutes?: number
  resume?: string
  jobs?: number
  verbose: boolean
  shrink: boolean
  plain: boolean
}

const WORKER = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './simulate-worker.ts' : './simulate-worker.js', import.meta.url),
)
/**
 * A run makes much that is short-lived: room for it saves a tenth of the time. And it goes through nearly all of the
 * product, evenly: optimizing later, what is called often, saves more of the compiler's time than it costs.
 */
const EXEC_ARGV = [
  ...process.execArgv,
  '--max-semi-space-size=64',
  // Later versions do not know it.
  ...(Number.parseInt(process.versions.node) < 22 ? ['--interrupt-budget=400000'] : []),
]
const PROGRESS_MS = 5000
/** Seeds that a worker has at once, so that it never waits for the next. */
const AHEAD = 2
/** Failing seeds after which a campaign ends: more say hardly more. */
const FAILURES_LIMIT = 10

export const simulate: CommandModule<{}, SimulateArgs> = {
  command: 'simulate',
  describe: 'runs whole simulated pairs under faults and checks every promise',
  builder: yargs =>
    yargs
      .option('seeds', { nargs: 1, type: 'number', default: 200, describe: 'how many fresh seeds to run' })
      .option('seed', { nargs: 1, type: 'string', describe: 'one seed, told in words' })
      .option('minutes', { nargs: 1, type: 'number', describe: 'end after so many minutes' })
      .option('resume', {
        nargs: 1,
        type: 'string',
        describe: 'state file: made where it is missing, else gone on from',
      })
      .option('jobs', { nargs: 1, type: 'number', describe: 'worker processes (one per processor)' })
      .option('shrink', {
        type: 'boolean',
        default: true,
        describe: 'leave out faults of a failing seed that it does not need',
      })
      .option('plain', {
        type: 'boolean',
        default: false,
        describe: 'with --seed: plain messages only, as in seeds of versions that had no others',
      })
      .option('verbose', { type: 'boolean', default: false, describe: 'the whole trace' }) as never,
  async handler(args) {
    for (const key of ['seeds', 'jobs', 'minutes'] as const) {
      const value = args[key]
      const fits = value === undefined || (key === 'minutes' ? value > 0 : Number.isInteger(value) && value > 0)
      if (!fits) throw new Misused(`--${key} needs a${key === 'minutes' ? '' : ' whole'} number above 0.`)
    }
    if (args.seed !== undefined) return runOne(args.seed, args)
    await new Runs(args).all()
  },
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)

function runOne(seed: string, { verbose, shrink: wanted, plain }: SimulateArgs): void {
  const length = verbose ? Infinity : undefined
  print(`Seed ${seed}`)
  const verdict = run(seed, { tells: true, plain })
  if (verdict.violation === null)
    return story(verdict, length ?? 20)
      .slice(1)
      .forEach(print)
  throw new CommandFailed(EXIT.failed, tellFailure(seed, wanted, plain, length))
}

/** The failing run in words, with as few faults as it needs. */
function tellFailure(seed: string, wanted: boolean, plain: boolean, length?: number): string[] {
  const whole = run(seed, { plain })
  const smallest = wanted && whole.violation !== null ? shrink(whole, { plain }) : whole
  const told = run(seed, { tells: true, faults: smallest.faults, plain })
  const left = whole.faults.length - smallest.faults.length
  return [
    ...(left > 0 ? [`Seed ${seed}: ${left} of ${whole.faults.length} faults left out`] : []),
    ...story(told, length),
  ]
}

class Runs {
  readonly #args: SimulateArgs
  readonly #campaign: Campaign
  readonly #startedAt = performance.now()
  readonly #goal: number
  readonly #workers = new Set<ChildProcess>()
  #shownAt = 0
  #doneHere = 0
  #minutesHere = 0
  #stopping = false
  /** How a worker ended that was not to end. */
  #broken = ''
  #stop: () => void = () => {}

  constructor(args: SimulateArgs) {
    this.#args = args
    const state = loaded(args.resume)
    this.#campaign = state === null ? Campaign.fresh(randomBytes(4).toString('hex')) : new Campaign(state)
    this.#goal = args.minutes !== undefined && args.seeds === 200 ? Infinity : args.seeds
  }

  async all(): Promise<void> {
    const { base, done } = this.#campaign
    print(`Seeds ${base}-${this.#campaign.next} and on${done > 0 ? ` (${done} done before)` : ''}`)
    await new Promise<void>(resolve => {
      this.#stop = resolve
      const jobs = Math.max(1, this.#args.jobs ?? availableParallelism())
      const end = (): void => this.#end()
      process.once('SIGINT', end).once('SIGTERM', end)
      for (let n = 0; n < jobs; n++) this.#worker()
    })
    this.#save()
    this.#progress()
    const { failed: seeds } = this.#campaign
    if (seeds.length === 0) {
      if (this.#broken !== '') {
        const open = this.#campaign.state().open ?? []
        throw failed(cliError('WORKER', { how: this.#broken, seeds: open.map(n => `${base}-${n}`).join(' ') }))
      }
      return print(`No violation. Seeds ${base}-1 to ${base}-${this.#campaign.next - 1}`)
    }
    const first = seeds[0] as string
    const lines = tellFailure(first, this.#args.shrink, false, this.#args.verbose ? Infinity : undefined)
    throw new CommandFailed(EXIT.failed, [...lines, `Failing seeds: ${seeds.join(' ')}`])
  }

  #worker(): void {
    const worker = fork(WORKER, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: EXEC_ARGV })
    this.#workers.add(worker)
    worker.on('message', message => {
      this.#took(message as SeedDone)
      this.#give(worker)
    })
    worker.on('exit', (code, signal) => {
      this.#workers.delete(worker)
      if (code !== 0) {
        this.#broken ||= signal ?? `exit code ${code}`
        this.#stopping = true
      }
      if (this.#workers.size === 0) this.#stop()
    })
    for (let n = 0; n < AHEAD; n++) this.#give(worker)
  }

  get #isOver(): boolean {
    const { minutes } = this.#args
    const late = minutes !== undefined && performance.now() - this.#startedAt > minutes * 60_000
    return this.#stopping || late || this.#campaign.failed.length >= FAILURES_LIMIT
  }

  #give(worker: ChildProcess): void {
    const seed = this.#isOver ? null : this.#campaign.give(this.#goal)
    if (seed !== null || worker.connected) worker.send({ seed: seed ?? '' }, () => {})
  }

  #took(done: SeedDone): void {
    this.#doneHere += 1
    this.#minutesHere += done.simulatedMs / 60_000
    this.#campaign.answered(done)
    if (done.violation !== '') print(`Seed ${done.seed}: ${done.violation}`)
    if (performance.now() - this.#shownAt > PROGRESS_MS) {
      this.#shownAt = performance.now()
      this.#progress()
      this.#save()
    }
  }

  #progress(): void {
    const { done, pairMinutes, failed: seeds, givenUp } = this.#campaign
    const minutes = (performance.now() - this.#startedAt) / 60_000
    const rate = Math.round(this.#minutesHere / minutes)
    const perMinute = this.#doneHere / minutes
    const left = this.#goal === Infinity ? '' : `, ${((this.#goal - done) / perMinute).toFixed(1)} min left`
    const of = this.#goal === Infinity ? '' : ` of ${this.#goal}`
    print(
      `${done}${of} seeds, ${pairMinutes.toFixed(0)} pair-minutes (${rate} per minute), ${seeds.length} violations, ${givenUp} ended by assumption${left}`,
    )
  }

  #end(): void {
    this.#stopping = true
  }

  #save(): void {
    const { resume } = this.#args
    if (resume === undefined) return
    try {
      writeFileSync(`${resume}.new`, `${JSON.stringify(this.#campaign.state())}\n`)
      renameSync(`${resume}.new`, resume)
    } catch (error) {
      throw failed(cliError('OUTPUT', { file: resume, problem: (error as Error).message }))
    }
  }
}

function loaded(file: string | undefined): CampaignState | null {
  if (file === undefined) return null
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as CampaignState
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw failed(cliError('OUTPUT', { file, problem: (error as Error).message }), EXIT.usage)
  }
}
