// npm run mutate: takes the guards of the product out, one by one, and sees which test notices. Works in a private copy of
// the checkout. Options: --only <pattern of ids>, --quick (at most 20 seeds and no drills), --list,
// --layer <one of unit, rules, simulation, drill>, --print (the rows go
// into docs/testing.md), --no-baseline. Exit code 1 where a mutant survives or cannot be judged.

import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { baseline, seedAlone, tryLayer, unfit, type Finding } from './mutations/layers.ts'
import type { Layer, Mutant } from './mutations/mutant.ts'
import { line, print, type Result } from './mutations/report.ts'
import { mutants } from './mutations/table.ts'
import { Workshop } from './mutations/workshop.ts'

const QUICK_SEEDS = 20
const BASELINE_SEEDS = 5
const ROOT = fileURLToPath(new URL('..', import.meta.url))

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    print: { type: 'boolean', default: false },
    layer: { type: 'string', default: '' },
    'no-baseline': { type: 'boolean', default: false },
  },
})

const chosen = mutants.filter(({ id }) => new RegExp(values.only).test(id))
const shop = new Workshop(ROOT)
process.on('exit', () => shop.remove())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

function layersOf({ layers }: Mutant): readonly Layer[] {
  const wanted = layers.filter(({ layer }) => values.layer === '' || layer === values.layer)
  if (!values.quick) return wanted
  return wanted
    .filter(layer => layer.layer !== 'drill')
    .map(layer => (layer.layer === 'simulation' ? { ...layer, seeds: Math.min(layer.seeds, QUICK_SEEDS) } : layer))
}

/** What is caught must be caught because of the mutant. */
async function without(finding: Finding, layer: Layer): Promise<string> {
  if (finding.seed === '' || layer.layer !== 'simulation') return ''
  shop.restore()
  const said = await seedAlone(shop, finding.seed, layer.scenario)
  return said === '' ? '' : `seed ${finding.seed} fails without the mutant too: ${said}`
}

async function judge(mutant: Mutant): Promise<Result> {
  const began = performance.now()
  const result = (finding: Finding | null, broken: string): Result => ({
    mutant,
    finding,
    broken,
    seconds: (performance.now() - began) / 1000,
  })
  try {
    shop.put(mutant)
  } catch (error) {
    return result(null, (error as Error).message)
  }
  // Asked at most once, and only where it is not plain that the mutant lives.
  let health: string | null = null
  let broken = ''
  for (const layer of layersOf(mutant)) {
    if (layer.layer === 'simulation') health ??= await unfit(shop)
    if (health) return result(null, health)
    const finding = await tryLayer(shop, layer)
    if (finding.by !== '' && !finding.lives) health ??= await unfit(shop)
    if (health) return result(null, health)
    if (finding.by !== '') return result(finding, await without(finding, layer))
    broken ||= finding.broken
  }
  return result(null, broken)
}

const IDS = mutants.map(({ id }) => id)

function note(result: Result): void {
  if (!print(`${ROOT}/docs/testing.md`, IDS, [result])) console.error('docs/testing.md has no place for the mutations')
}

async function main(): Promise<number> {
  if (!values['no-baseline']) {
    const files = new Set(chosen.flatMap(m => m.layers.flatMap(l => ('files' in l ? l.files : []))))
    console.log(`without a mutant: ${files.size} test files, ${BASELINE_SEEDS} seeds`)
    const fault = await baseline(shop, [...files], BASELINE_SEEDS)
    if (fault !== '') {
      console.error(`they fail without a mutant: ${fault}`)
      return 1
    }
  }
  const results: Result[] = []
  for (const mutant of chosen) {
    const result = await judge(mutant)
    results.push(result)
    console.log(line(result))
    // Row by row: a run takes long.
    if (values.print && result.finding !== null && result.broken === '') note(result)
  }
  shop.restore()
  const caught = results.filter(({ finding, broken }) => finding !== null && broken === '')
  console.log(`${chosen.length} mutants, ${caught.length} caught`)
  return caught.length === chosen.length ? 0 : 1
}

if (values.list)
  for (const { id, promise, breaks } of chosen) console.log(`${id.padEnd(20)} ${promise.padEnd(7)} ${breaks}`)
else process.exitCode = await main()
