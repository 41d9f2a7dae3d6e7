// The layers that may notice a mutant, each run in the workshop: a pair without faults (a mutant that cannot even live is
// none), mocha files, seeds of the simulation, one drill with real processes.

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { seedsOf, type Layer } from './mutant.ts'
import type { Scenario } from './scenarios.ts'
import type { Workshop } from './workshop.ts'

export interface Finding {
  readonly layer: Layer['layer']
  /** What noticed it: the title of a test, a violation in words; '' where nothing did. */
  readonly by: string
  /** Tests that ran, or seeds. */
  readonly after: string
  /** A seed that found it, to be tried without the mutant. */
  readonly seed: string
  /** Neither noticed nor survived: it could not be judged, and why. */
  readonly broken: string
  /** The mutant is known to live: tests passed, and the one that failed came to an assertion. */
  readonly lives: boolean
}

const TSC = join('node_modules', 'typescript', 'bin', 'tsc')
const MOCHA = join('node_modules', 'mocha', 'bin', 'mocha.js')
const SEEDS = join('scripts', 'mutation-seeds.ts')
const STATES = join('scripts', 'mutation-states.ts')
const TSX = ['--import', 'tsx']

const CHECK_MS = 60_000
const UNIT_MS = 300_000
const SEED_MS = 30_000
const DRILL_MS = 180_000
const STATES_MS = 300_000

/** Why the sources cannot live as they are; '' where they can. */
export async function unfit(shop: Workshop): Promise<string> {
  const quiet = await shop.node([...TSX, SEEDS, 'none', 'calm'], CHECK_MS)
  const said = lastLine(quiet.stdout)
  // A pair that breaks a promise although nothing goes wrong is caught, but by the simulation.
  if (quiet.code !== 0 && said?.broken !== false) return `a pair without faults fails: ${quiet.output.slice(-400)}`
  return ''
}

export function tryLayer(shop: Workshop, layer: Layer): Promise<Finding> {
  switch (layer.layer) {
    case 'unit':
    case 'rules':
      return tests(shop, layer)
    case 'simulation':
      return seeds(shop, [...layer.named, ...seedsOf(layer.seeds)], layer.scenario)
    case 'exploration':
      return states(shop, layer.states, layer.names)
    case 'drill':
      return realDrill(shop, layer.only)
  }
}

interface MochaReport {
  readonly stats: { readonly tests: number; readonly passes: number; readonly failures: number }
  readonly failures: readonly {
    readonly fullTitle: string
    readonly err: { readonly message?: string; readonly code?: string }
  }[]
}

/** What tells a program that could not run from one that was found wrong. */
const CRASH = /SyntaxError|ERR_MODULE_NOT_FOUND|does not provide an export|Cannot find (module|package)/

async function mocha(shop: Workshop, files: readonly string[], limitMs: number, env: NodeJS.ProcessEnv = {}) {
  const report = join(shop.root, 'mocha.json')
  rmSync(report, { force: true })
  const options = ['--bail', '--exit', '--reporter', 'json', '--reporter-option', `output=${report}`]
  const ran = await shop.node([MOCHA, ...options, ...files.map(file => `test/${file}.test.ts`)], limitMs, env)
  const read = existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as MochaReport) : null
  return { ran, report: read }
}

async function tests(shop: Workshop, layer: Layer & { layer: 'unit' | 'rules' }): Promise<Finding> {
  const { ran, report } = await mocha(shop, layer.files, UNIT_MS)
  return judged(layer.layer, ran.output, ran.late, report)
}

async function realDrill(shop: Workshop, only: string): Promise<Finding> {
  const built = await shop.node(
    [TSC, '-p', 'tsconfig.json', '--noUnusedLocals', 'false', '--noUnusedParameters', 'false'],
    CHECK_MS,
  )
  const nothing = { layer: 'drill', by: '', after: '', seed: '', lives: false } as const
  if (built.code !== 0) return { ...nothing, broken: built.output.slice(0, 300) }
  const env = { DRILL_ONLY: only, LOCKSTEP_DIST: join(shop.root, 'dist') }
  const { ran, report } = await mocha(shop, ['drills/drills'], DRILL_MS, env)
  return judged('drill', ran.output, ran.late, report)
}

function judged(layer: Layer['layer'], output: string, late: boolean, report: MochaReport | null): Finding {
  const nothing = { layer, by: '', after: '', seed: '', broken: '', lives: false } as const
  if (report === null) return { ...nothing, broken: late ? 'no end in time' : output.slice(-300) }
  const [failure] = report.failures
  const after = counted(report.stats.passes, 'test')
  if (failure === undefined) return { ...nothing, after }
  if (CRASH.test(failure.err.message ?? '')) return { ...nothing, broken: failure.err.message ?? '' }
  // Rows are data: they have nothing that could crash.
  const lives = failure.err.code === 'ERR_ASSERTION' && (report.stats.passes > 0 || layer === 'rules')
  return { ...nothing, by: failure.fullTitle, after: counted(report.stats.passes + 1, 'test'), lives }
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`

interface SeedLine {
  readonly seed: string
  readonly ran: number
  readonly violation: string
  /** It threw what is neither a violation nor an assertion of the product. */
  readonly broken: boolean
}

const lastLine = (stdout: string): SeedLine | null => {
  const line = stdout.trimEnd().split('\n').at(-1) ?? ''
  return line.startsWith('{') ? (JSON.parse(line) as SeedLine) : null
}

async function seeds(shop: Workshop, names: readonly string[], scenario: Scenario | null): Promise<Finding> {
  const ran = await shop.node([...TSX, SEEDS, scenario ?? 'drawn', ...names], SEED_MS + names.length * 6000)
  const line = lastLine(ran.stdout)
  const nothing = { layer: 'simulation', by: '', after: '', seed: '', broken: '', lives: false } as const
  if (line === null) return { ...nothing, broken: ran.late ? 'no end in time' : ran.output.slice(-300) }
  const after = counted(line.ran, 'seed') + (scenario === null ? '' : `, ${scenario}`)
  if (line.violation === '') return { ...nothing, after }
  const [first = ''] = line.violation.split('\n')
  if (line.broken) return { ...nothing, after, broken: first }
  return { ...nothing, by: first, after, seed: line.seed }
}

async function states(shop: Workshop, most: number, names: readonly string[]): Promise<Finding> {
  const ran = await shop.node([...TSX, STATES, `${most}`, ...names], STATES_MS)
  const line = lastLine(ran.stdout)
  const nothing = { layer: 'exploration', by: '', after: '', seed: '', broken: '', lives: false } as const
  if (line === null) return { ...nothing, broken: ran.late ? 'no end in time' : ran.output.slice(-300) }
  return { ...nothing, by: line.violation.split('\n')[0] ?? '', after: `${line.ran.toLocaleString('en')} states` }
}

/** One seed without the mutant: what it says then. */
export async function seedAlone(shop: Workshop, seed: string, scenario: Scenario | null): Promise<string> {
  const { by, broken } = await seeds(shop, [seed], scenario)
  return by || broken
}

/** Everything that the rows use, without any mutant; why it does not pass, '' where it does. */
export async function baseline(shop: Workshop, files: readonly string[], count: number): Promise<string> {
  const fault = await unfit(shop)
  if (fault !== '') return fault
  const { ran, report } = await mocha(shop, files, 3 * UNIT_MS)
  if (report === null) return ran.output.slice(-1000)
  const [failure] = report.failures
  if (failure) return `${failure.fullTitle}: ${failure.err.message ?? ''}`
  const { by, broken, seed } = await seeds(shop, seedsOf(count), null)
  return by || broken ? `${seed}: ${by || broken}` : ''
}
