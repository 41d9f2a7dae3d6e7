// House rules about what may know what: the floors of the product, no circles, and nothing of the real world (clock,
// chance, disk, network, process) below src/server, so that a whole pair can be simulated.

import assert from 'node:assert/strict'
import { lineAt, places, readSource, sourcesOf, type Source } from './sources.ts'

interface Floor {
  readonly level: number
  /** Folders below src/ whose files it may import; its own are always allowed. */
  readonly may: readonly string[]
  /** Packages and modules of Node. */
  readonly packages: readonly string[]
}

const BELOW_HA = ['base', 'states', 'profiles', 'journal', 'replication']
const BELOW_SERVER = [
  ...BELOW_HA,
  'broker',
  'access',
  'ha',
  'admin',
  'doctor',
  'protocols',
  'protocols/amqp',
  'protocols/mqtt',
]
const ANY_OF_NODE = ['node:*']

/** As in docs/overview.md; `replication` knows `states` for the list of roles: docs/decisions/0011. */
// prettier-ignore
const FLOORS: Readonly<Record<string, Floor>> = {
  'base':           { level: 0, may: [],                                      packages: [] },
  'kit':            { level: 0, may: [],                                      packages: [...ANY_OF_NODE, 'mqtt', 'rhea'] },
  'states':         { level: 0, may: [],                                      packages: ['xstate'] },
  'profiles':       { level: 1, may: ['base'],                                packages: ['yaml', 'node:path'] },
  'journal':        { level: 1, may: ['base'],                                packages: ['node:zlib'] },
  'broker':         { level: 2, may: ['base', 'journal'],                     packages: ['node:zlib'] },
  'access':         { level: 3, may: ['base', 'broker'],                      packages: ['node:crypto'] },
  'replication':    { level: 3, may: ['base', 'states', 'journal'],           packages: ['node:crypto', 'node:zlib'] },
  'ha':             { level: 4, may: BELOW_HA,                                packages: ['node:crypto'] },
  'protocols':      { level: 3, may: ['base'],                                packages: [] },
  'protocols/amqp': { level: 5, may: ['base', 'broker', 'protocols'],         packages: ['node:buffer'] },
  'protocols/mqtt': { level: 5, may: ['base', 'broker', 'protocols'],         packages: ['node:buffer'] },
  'admin':          { level: 5, may: ['base', 'states', 'journal', 'broker', 'access', 'ha', 'doctor'], packages: ['node:crypto'] },
  'doctor':         { level: 2, may: ['base', 'profiles'],                      packages: [] },
  'server':         { level: 6, may: BELOW_SERVER,                            packages: [...ANY_OF_NODE, 'proper-lockfile', 'winston', 'ws'] },
  'cli':            { level: 7, may: [...BELOW_SERVER, 'server', 'simulation'],             packages: [...ANY_OF_NODE, 'yargs', 'yargs/helpers'] },
  'simulation':     { level: 7, may: [...BELOW_SERVER, 'server'],             packages: ['node:crypto', 'node:zlib'] },
}

/** Where the real world may be named. */
const REAL = new Set(['server', 'cli', 'kit'])

/** The real world by its names: globals, and names that a harmless module exports. */
const REAL_WORLD =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\b|\b(set|clear)(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bMath\.random\b|\b(random(Bytes|UUID|Int|Fill|FillSync)|getRandomValues)\b|\bprocess\s*\.\s*(?:env|argv|exit|exitCode|pid|ppid|hrtime|nextTick|on|once|off|abort|cwd|chdir|memoryUsage|stdout|stderr|stdin|uptime|cpuUsage|platform|versions?|send|title|umask|get[eu]?[ug]id)\b|(?<![.#]|private |public )\bfetch\s*\(|\bWebSocket\b|\brequire\s*\(|\bimport\.meta\b|\bconsole\s*\./g

const folderOf = (path: string): string => {
  const parts = path.split('/')
  return parts[1] === 'protocols' && parts.length > 3 ? `${parts[1]}/${parts[2]}` : (parts[1] as string)
}

const product = sourcesOf('src')
const allowed = (name: string, packages: readonly string[]): boolean =>
  packages.some(p => p === name || (p.endsWith('*') && name.startsWith(p.slice(0, -1))))

function floorFaults(source: Source): string[] {
  const folder = folderOf(source.path)
  const floor = FLOORS[folder]
  if (!floor) return [`${source.path}:1: src/${folder} is on no floor`]
  return source.imports.flatMap(({ target, line }) => {
    const at = `${source.path}:${line}: `
    if (!target.startsWith('src/'))
      return allowed(target, floor.packages) ? [] : [`${at}${folder} may not import ${target}`]
    const other = folderOf(target)
    return other === folder || floor.may.includes(other) ? [] : [`${at}${folder} may not import ${target}`]
  })
}

const worldFaults = (source: Source): string[] => places(source.path, source.code, REAL_WORLD)

/** Every circle that a walk along the imports meets, as a line. */
function circles(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map(s => [s.path, s]))
  const found: string[] = []
  const done = new Set<string>()
  const way: string[] = []
  const walk = (path: string): void => {
    if (way.includes(path)) {
      found.push([...way.slice(way.indexOf(path)), path].join(' -> '))
      return
    }
    if (done.has(path)) return
    way.push(path)
    for (const { target } of byPath.get(path)?.imports ?? []) if (byPath.has(target)) walk(target)
    way.pop()
    done.add(path)
  }
  for (const { path } of sources) walk(path)
  return found
}

const none = (faults: readonly string[]): void => assert.equal(faults.join('\n'), '')

describe('house: floors', () => {
  it('finds the files it is to judge', () => {
    assert.ok(product.length > 100, `${product.length} files`)
    assert.ok(product.flatMap(s => s.imports).length > 400)
  })

  it('imports go down only, and to the packages of the floor', () => none(product.flatMap(floorFaults)))

  it('a floor may import no higher one', () => {
    for (const [name, { level, may }] of Object.entries(FLOORS))
      for (const other of may) assert.ok((FLOORS[other] as Floor).level < level || level > 6, `${name} and ${other}`)
  })

  it('there are no circles, of types neither', () => none(circles(product)))

  it('nothing below src/server names the real clock, chance, disk, network or process', () =>
    none(product.filter(s => !REAL.has(folderOf(s.path))).flatMap(worldFaults)))

  it('the simulation reaches nothing of src/server that does', () => {
    const byPath = new Map(product.map(s => [s.path, s]))
    const reached = new Set(product.filter(s => folderOf(s.path) === 'simulation').map(s => s.path))
    for (const path of reached)
      for (const { target, typeOnly } of byPath.get(path)?.imports ?? []) if (!typeOnly) reached.add(target)
    const faults = [...reached].flatMap(path => {
      const source = byPath.get(path)
      if (!source || folderOf(path) !== 'server') return []
      const { packages } = FLOORS['simulation'] as Floor
      const far = source.imports.filter(
        i => !i.typeOnly && !i.target.startsWith('src/') && !allowed(i.target, packages),
      )
      return [...worldFaults(source), ...far.map(i => `${path}:${i.line}: ${i.target}`)]
    })
    none(faults)
  })

  it('sees what it looks for', () => {
    const bad = readSource(
      'src/broker/x.ts',
      [
        "import { a } from '../replication/a.ts'",
        "import type { b } from 'ws'",
        '// Date.now()',
        "const s = 'Date.now()' + `${Date.now()} process.exit`",
        'const r = /["\'`]/.test(s) ? process.pid : setTimeout(a, 1)',
      ].join('\n'),
    )
    assert.deepEqual(floorFaults(bad), [
      'src/broker/x.ts:1: broker may not import src/replication/a.ts',
      'src/broker/x.ts:2: broker may not import ws',
    ])
    assert.deepEqual(
      worldFaults(bad).map(f => f.replace('src/broker/x.ts:', '')),
      ['4: Date.now', '5: process.pid', '5: setTimeout'],
    )
    assert.deepEqual(
      bad.imports.map(i => i.typeOnly),
      [false, true],
    )
    const [one, two] = [readSource('src/a.ts', "import './b.ts'"), readSource('src/b.ts', "export * from './a.ts'")]
    assert.deepEqual(circles([one, two]), ['src/a.ts -> src/b.ts -> src/a.ts'])
    assert.equal(lineAt('a\nb', 2), 2)
  })
})
