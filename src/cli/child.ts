// One server under `lockstep pair`: a child process whose console lines come out with a prefix, whose role is read off
// them, and which can be stopped gracefully or killed with everything that it started.

import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ROLES, SERVING, type Role } from '../states/roles.ts'

const MAIN = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url))

/** Longest first: ACTIVE SYNC is not ACTIVE. */
const BY_LENGTH = [...ROLES].sort((a, b) => b.length - a.length)

/** The role that a contracted console line tells of this server, or null. */
export function roleIn(line: string): Role | null {
  const at = /(?:Primary|Secondary) Server switched to /.exec(line)
  if (at === null) return null
  const rest = line.slice(at.index + at[0].length)
  return BY_LENGTH.find(role => rest.startsWith(role)) ?? null
}

export interface ServerChild {
  readonly label: string
  readonly folder: string
  readonly role: Role | null
  readonly running: boolean
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** As Ctrl-C in its own terminal. */
  stop(): void
  /** The child and all that it started. */
  kill(): void
}

export const isServing = (child: ServerChild): boolean => child.role !== null && SERVING.has(child.role)

export function startChild(
  label: string,
  folder: string,
  args: readonly string[],
  print: (line: string) => void,
): ServerChild {
  // A process group of its own: Ctrl-C in the terminal reaches only `pair`, which stops the servers in a good order. The
  // pipe to the child (ipc) tells it when `pair` is gone, so that no server is ever left behind.
  const server: ChildProcess = spawn(process.execPath, [...process.execArgv, MAIN, 'start', folder, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
  let role: Role | null = null
  let running = true
  for (const stream of [server.stdout, server.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', line => {
      role = roleIn(line) ?? role
      print(line)
    })
  }
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(resolve => {
    const ended = (code: number | null, signal: NodeJS.Signals | null) => {
      running = false
      resolve({ code, signal })
    }
    // `close`: after its last line.
    server.once('close', ended)
    server.once('error', error => {
      print(error.message)
      ended(null, null)
    })
  })
  return {
    label,
    folder,
    exit,
    get role() {
      return role
    },
    get running() {
      return running
    },
    stop: () => void server.kill('SIGTERM'),
    kill() {
      if (server.pid === undefined) return
      try {
        process.kill(-server.pid, 'SIGKILL')
      } catch {
        server.kill('SIGKILL')
      }
    },
  }
}
