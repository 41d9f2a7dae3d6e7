// Work that may hang is done by processes of its own: how one is started, watched, and given up. Which jobs there are is
// in doctor-child.ts, which is that process.

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Each kind of job has its own fields, in the file that does it. */
export interface Job {
  readonly job: string
}

/** Told before each step, with what is known by then. */
export type Step = (name: string, soFar?: unknown) => void

export interface Told {
  readonly step?: string
  readonly soFar?: unknown
  readonly value?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

/** How a job went; exactly one of value, failure and `silent` says it. */
export interface Done<T> {
  readonly value: T | null
  /** What was known when it failed or fell silent. */
  readonly soFar: T | null
  readonly failure: { readonly step: string; readonly code: string; readonly message: string } | null
  /** The step that had no answer in time; ''. */
  readonly silent: string
}

const CHILD = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './doctor-child.ts' : './doctor-child.js', import.meta.url),
)

export interface RunningJob<T> {
  readonly done: Promise<Done<T>>
  /** To a job that takes part in rounds. */
  send(message: object): void
  onSaid: (message: unknown) => void
  onStep: (name: string) => void
}

/** Processes start slowly on a busy machine, and no share has a part in it: until its first step a job has this long. */
const START_LIMIT_MS = 30_000

/** Starts a job. It is killed and left behind `limitMs` after its first step without an end; `done` always comes. */
export function startJob<T>(job: Job, limitMs: number): RunningJob<T> {
  const child = fork(CHILD, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  let step = 'starting a process'
  let soFar: T | null = null
  const running: Pick<RunningJob<T>, 'onSaid' | 'onStep'> = { onSaid: () => {}, onStep: () => {} }
  const done = new Promise<Done<T>>(resolve => {
    const end = (how: Partial<Done<T>>): void => {
      clearTimeout(timer)
      resolve({ value: null, soFar, failure: null, silent: '', ...how })
    }
    const giveUp = (): void => {
      // It may be in an operation that not even this ends: it is left behind then, and nobody waits for it.
      child.kill('SIGKILL')
      if (child.connected) child.disconnect()
      child.unref()
      end({ silent: step })
    }
    let timer = setTimeout(giveUp, START_LIMIT_MS)
    let begun = false
    child.on('message', (message: Told & { said?: unknown }) => {
      if (message.soFar !== undefined) soFar = message.soFar as T
      if (message.step !== undefined) {
        step = message.step
        running.onStep(step)
        if (begun) return
        begun = true
        clearTimeout(timer)
        timer = setTimeout(giveUp, limitMs)
      } else if (message.error !== undefined) end({ failure: { step, ...message.error } })
      else if ('value' in message) end({ value: message.value as T })
      else if (message.said !== undefined) running.onSaid(message.said)
    })
    child.on('error', error => end({ failure: { step, code: 'EPROCESS', message: error.message } }))
    child.once('exit', (code, signal) =>
      end({ failure: { step, code: 'EPROCESS', message: `the process of the doctor ended (${signal ?? code})` } }),
    )
    child.send(job, () => {})
  })
  return Object.assign(running, {
    done,
    send: (message: object) => void (child.connected && child.send(message, () => {})),
  })
}

export const runJob = <T>(job: Job, limitMs: number): Promise<Done<T>> => startJob<T>(job, limitMs).done
