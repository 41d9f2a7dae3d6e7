// A private copy of the repository, in which one mutant at a time is put in and taken out again. The checkout itself is
// never changed. Also runs programs in that copy, each in a process group of its own that is ended in time.

import { spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { changed, faultsOf, type Mutant } from './mutant.ts'

const COPIED = ['src', 'test', 'scripts', 'profiles', 'docs', 'package.json', 'tsconfig.json', '.mocharc.json']
/** What is kept of a program's output. */
const KEPT_CHARACTERS = 20_000

export interface Ran {
  readonly code: number | null
  /** It was ended because it took too long. */
  readonly late: boolean
  readonly output: string
  readonly stdout: string
}

export class Workshop {
  readonly root: string
  readonly #originals = new Map<string, string>()

  constructor(checkout: string) {
    this.root = mkdtempSync(join(tmpdir(), 'lockstep-mutants-'))
    // Some tests run the product as another user, who must be able to read it.
    chmodSync(this.root, 0o755)
    for (const name of COPIED)
      if (existsSync(join(checkout, name))) cpSync(join(checkout, name), join(this.root, name), { recursive: true })
    symlinkSync(join(checkout, 'node_modules'), join(this.root, 'node_modules'))
  }

  read(file: string): string {
    return readFileSync(join(this.root, 'src', file), 'utf8')
  }

  /** Throws where the code has moved away from the table. */
  put(mutant: Mutant): void {
    this.restore()
    const read = (file: string) => this.read(file)
    const faults = faultsOf(mutant, read)
    if (faults.length > 0) throw new Error(faults.join('\n'))
    for (const [file, text] of changed(mutant, read)) {
      this.#originals.set(file, this.read(file))
      writeFileSync(join(this.root, 'src', file), text)
    }
  }

  restore(): void {
    for (const [file, text] of this.#originals) writeFileSync(join(this.root, 'src', file), text)
    this.#originals.clear()
  }

  node(args: readonly string[], limitMs: number, env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    return new Promise(resolve => {
      const child = spawn(process.execPath, [...args], {
        cwd: this.root,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
        // With a group of its own, so that what it has started ends with it.
        detached: true,
      })
      let output = ''
      let stdout = ''
      let late = false
      const keep = (chunk: string): void => {
        output = (output + chunk).slice(-KEPT_CHARACTERS)
      }
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        stdout = (stdout + chunk).slice(-KEPT_CHARACTERS)
        keep(chunk)
      })
      child.stderr.setEncoding('utf8').on('data', keep)
      const end = (): void => {
        try {
          process.kill(-(child.pid as number), 'SIGKILL')
        } catch {
          // It has ended, and all that it had started.
        }
      }
      const timer = setTimeout(() => {
        late = true
        end()
      }, limitMs)
      child.on('close', code => {
        clearTimeout(timer)
        end()
        resolve({ code, late, output, stdout })
      })
    })
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}
