// House rules about single files: length, the paragraph at the top, names, no tests left out, nothing left undone.
// Also of what the repository says of itself: pinned packages, one test command, errors that help.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import { places, readSource, ROOT, sourcesOf, type Source } from './sources.ts'

const MAX_LINES = 400

const all = ['src', 'test', 'bench', 'scripts', 'lab'].flatMap(folder => sourcesOf(folder))

const none = (faults: readonly string[]): void => assert.equal(faults.join('\n'), '')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

function lengthFaults({ path, text }: Source): string[] {
  const lines = text.trimEnd().split('\n').length
  return lines > MAX_LINES ? [`${path}:${lines}: longer than ${MAX_LINES} lines`] : []
}

/** A comment of at least a sentence, before anything else. */
function paragraphFaults({ path, text }: Source): string[] {
  const top = text.replace(/^#!.*\n/, '')
  const comment = /^(?:\/\/.*\n?)+|^\/\*[\s\S]*?\*\//.exec(top)?.[0] ?? ''
  const words = comment.replace(/[/*\s]+/g, ' ').trim()
  return words.length >= 20 ? [] : [`${path}:1: says nothing of what it is for`]
}

// Written in halves, so that this file keeps its own rule.
const UNDONE = new RegExp(`\\b(TO${'DO'}|FIX${'ME'}|HA${'CK'})\\b`, 'g')
const LEFT_OUT = /\b(describe|it|specify|context)\s*\.\s*(only|skip)\b|\bx(it|describe)\s*\(/g
// What a line defines; a type named in the braces of an import is another's.
const EMPTY_NAMES =
  /^\s*(?:export\s+)?(?:abstract\s+)?(?:class|interface|type|function|const)\s+(\w*(?:Manager|Helper|Util|Utils|Handler|Context))\b/gm
const EMPTY_FILES = /(manager|helpers?|utils?|handlers?|context|misc|common)\.\w+$/i

const nameFaults = ({ path, code }: Source): string[] => [
  ...places(path, code, EMPTY_NAMES),
  ...(EMPTY_FILES.test(basename(path)) ? [`${path}:1: its name says nothing`] : []),
]

/** A test that decides while it runs that it can not: only behind a condition, on the same line. */
const skipFaults = ({ path, code }: Source): string[] =>
  code
    .split('\n')
    .flatMap((text, i) =>
      /\bthis\.skip\(\)/.test(text) && !/\bif\s*\(/.test(text)
        ? [`${path}:${i + 1}: this.skip() without a condition`]
        : [],
    )

describe('house: files', () => {
  it('are at most 400 lines long', () => none(all.flatMap(lengthFaults)))
  it('begin with what they are for', () => none(all.flatMap(paragraphFaults)))
  it('leave nothing undone', () => none(all.flatMap(s => places(s.path, s.text, UNDONE))))
  it('have names that say something', () => none(all.flatMap(nameFaults)))

  it('leave no test out', () => {
    const tests = [...sourcesOf('test'), ...sourcesOf('lab')]
    none(tests.flatMap(s => [...places(s.path, s.code, LEFT_OUT), ...skipFaults(s)]))
  })

  it('use nothing of test/ or bench/ in the product', () => {
    const far = (s: Source) => s.imports.filter(i => /^(test|bench|scripts|lab)\//.test(i.target))
    none(sourcesOf('src').flatMap(s => far(s).map(i => `${s.path}:${i.line}: ${i.target}`)))
  })

  it('import files that exist, with their ending', () => {
    const lost = (s: Source) =>
      s.imports
        .filter(i => /^(src|test|bench|scripts|lab)\//.test(i.target) && !existsSync(join(ROOT, i.target)))
        .map(i => `${s.path}:${i.line}: ${i.target}`)
    none(all.flatMap(lost))
  })

  it('are judged as they should be', () => {
    const judged = (text: string, faults: (s: Source) => readonly string[]) =>
      faults(readSource('test/x.ts', text)).length
    assert.equal(judged('//\n'.repeat(401), lengthFaults), 1)
    assert.equal(judged("import 'x'\n", paragraphFaults), 1)
    assert.equal(judged('// What this file is for.\n', paragraphFaults), 0)
    assert.equal(judged('class Lock' + 'Manager {}', nameFaults), 1)
    assert.equal(judged('this.skip()', skipFaults), 1)
    const tests = (s: Source) => places(s.path, s.code, LEFT_OUT)
    assert.equal(judged("it.only('x')\nxit('y')\ndescribe.skip('z')\nexit('a')\nwalk.skip()", tests), 3)
  })
})

describe('house: the repository', () => {
  it('pins every package, and says nothing of where they come from', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is not pinned`)
    none(places('package-lock.json', read('package-lock.json'), /"resolved":|https?:\/\/[^"]*registry[^"]*/g))
  })

  it('has one test command: README.md, .ci/run and package.json agree', () => {
    assert.match(read('README.md'), /^npm test$/m)
    assert.match(read('README.md'), /^npm start$/m)
    assert.match(read('.ci/run'), /\bnpm test\b/)
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    assert.ok(scripts['test'] && scripts['start'])
  })

  it('keeps links between its documents whole', () => {
    const names = (folder: string) =>
      readdirSync(join(ROOT, folder), { recursive: folder === 'docs', encoding: 'utf8' })
    const documents = ['', 'docs'].flatMap(folder =>
      names(folder)
        .filter(name => name.endsWith('.md'))
        .map(name => posix.join(folder, name.replaceAll('\\', '/'))),
    )
    const faults = documents.flatMap(path =>
      [...read(path).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map(m => m[1] as string)
        .filter(target => !/^[a-z]+:/.test(target))
        .filter(target => !existsSync(join(ROOT, posix.join(posix.dirname(path), target))))
        .map(target => `${path}: ${target} does not exist`),
    )
    none(faults)
  })

  it('has an error for every fault of the world that says what happened and what to do', async () => {
    const load = (path: string) => import(pathToFileURL(join(ROOT, path)).href)
    for (const { path, code } of sourcesOf('src')) if (/\bdefineErrors\(/.test(code)) await load(path)
    const { errorTable } = (await load('src/base/errors.ts')) as typeof import('../../src/base/errors.ts')
    assert.ok(errorTable.size > 80)
    const faults = [...errorTable].flatMap(([code, { what, remedy }]) => [
      ...(/^[A-Z]+(-[A-Z0-9]+)+$/.test(code) ? [] : [`${code} is not written as a code`]),
      ...(/^.{8,}[.!?)}]$/s.test(what.trim()) ? [] : [`${code} does not say what happened: ${what}`]),
      ...(/^.{4,}$/s.test(remedy.trim()) ? [] : [`${code} does not say what to do: ${remedy}`]),
    ])
    none(faults)
  })
})
