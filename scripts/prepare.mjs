// Makes a clean clone ready: installs what package-lock.json names and builds dist/, each only where it is missing or
// older than what it is made from. Plain JavaScript without dependencies, because it runs before there are any.
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const at = (...names) => join(root, ...names)
const changed = path => (existsSync(path) ? statSync(path).mtimeMs : 0)

function newest(folder) {
  return Math.max(
    0,
    ...readdirSync(folder, { recursive: true, withFileTypes: true }).map(e => changed(join(e.parentPath, e.name))),
  )
}

function run(what, command, args) {
  console.error(`lockstep: ${what} ...`)
  const began = process.hrtime.bigint()
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) {
    console.error(`lockstep: ${what} failed (exit code ${status}). Mend what is said above and start again.`)
    process.exit(1)
  }
  console.error(
    `lockstep: ${what} took ${(Number((process.hrtime.bigint() - began) / 1_000_000n) / 1000).toFixed(1)} s`,
  )
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`lockstep: Node.js 20.19 or later is needed, this is ${process.versions.node}`)
  process.exit(1)
}

const installed = at('node_modules', '.package-lock.json')
// Through a link npm would empty somebody else's folder.
const linked = lstatSync(at('node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() ?? false
if (!linked && changed(installed) < Math.max(changed(at('package-lock.json')), 1))
  run('installing dependencies', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])

const stamp = at('dist', '.built')
const sources = Math.max(newest(at('src')), changed(at('tsconfig.json')), changed(installed))
if (process.argv.includes('--force') || changed(stamp) < sources) {
  rmSync(at('dist'), { recursive: true, force: true })
  run('building', process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '-p', at('tsconfig.json')])
  const { writeFileSync } = await import('node:fs')
  writeFileSync(stamp, '')
}
