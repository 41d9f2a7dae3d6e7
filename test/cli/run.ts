// Runs the command line as a user does, as a process of its own, straight from the sources.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const PRODUCT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export function lockstep(
  args: readonly string[],
  cwd = PRODUCT,
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.on('error', () => {}) // it may not want to read
    child.stdin.end(input)
    let out = ''
    let err = ''
    child.stdout.on('data', chunk => (out += String(chunk)))
    child.stderr.on('data', chunk => (err += String(chunk)))
    child.once('error', reject)
    child.once('close', code => resolve({ code, out, err }))
  })
}
