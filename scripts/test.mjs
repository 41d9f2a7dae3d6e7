// npm test: all tests, in two runs of mocha side by side. What has real processes and waits for leases and silence is one;
// what only computes is the other, at a lower priority, so that it takes the time in which the first one waits. Words
// behind `npm test --` are mocha's, for both. Prints the sum of both counts at the end; exit code 1 where a test failed, or
// a run ended before its end.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants, setPriority } from 'node:os'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MOCHA = createRequire(import.meta.url).resolve('mocha/bin/mocha.js')
/** Folders below test/ whose tests have servers of their own or wait for real time. */
const WAITING = new Set(['cli', 'doctor', 'drills', 'features', 'hostile', 'kit', 'networks', 'server', 'suites'])

const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.test.ts'))
  .sort()
const waits = name => WAITING.has(name.split(sep)[0])

/** Runs mocha over these; gives what it counted. `live`: what it says is shown at once, else at the end. */
function run(names, live) {
  const words = [MOCHA, ...(process.stdout.isTTY ? ['--color'] : []), ...process.argv.slice(2)]
  const child = spawn(process.execPath, [...words, ...names.map(name => join('test', name))], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const take = chunk => {
    said += chunk
    if (live) process.stdout.write(chunk)
  }
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)
  if (!live) lower(child.pid)
  return new Promise(resolve => child.once('close', code => resolve({ code, said, counts: countsOf(said) })))
}

function lower(pid) {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // It is gone already.
  }
}

/** Of mocha's last lines; null where it did not come to them. */
function countsOf(said) {
  const plain = stripVTControlCharacters(said)
  const count = word =>
    Number([...plain.matchAll(new RegExp(`^ +(\\d+) ${word}(?: \\([^)]*\\))?$`, 'gm'))].at(-1)?.[1] ?? Number.NaN)
  const [passing, failing, pending] = ['passing', 'failing', 'pending'].map(count)
  return Number.isNaN(passing) ? null : { passing, failing: failing || 0, pending: pending || 0 }
}

const began = Date.now()
const quick = run(
  files.filter(name => !waits(name)),
  false,
)
const results = [await run(files.filter(waits), true), await quick]
process.stdout.write(`\n${results[1].said}`)
const sum = { passing: 0, failing: 0, pending: 0 }
for (const { code, counts } of results) {
  if (counts === null) console.log(`A run of mocha ended with exit code ${code} before its end.`)
  sum.failing += counts === null ? 1 : 0
  for (const word of Object.keys(sum)) sum[word] += counts?.[word] ?? 0
}
// What failed once more, at the end: an output of thousands of lines may be kept by its end only.
for (const { said, counts } of results) {
  if (counts !== null && counts.failing > 0) process.stdout.write(`\n${said.slice(said.lastIndexOf(' failing'))}`)
}
const seconds = Math.round((Date.now() - began) / 1000)
console.log(`Both together:\n\n  ${sum.passing} passing (${Math.floor(seconds / 60)}m ${seconds % 60}s)`)
console.log(`  ${sum.pending} pending\n  ${sum.failing} failing`)
// Not by process.exit: what is written to a pipe would be cut off.
process.exitCode = results.some(({ code }) => code !== 0) || sum.failing > 0 ? 1 : 0
