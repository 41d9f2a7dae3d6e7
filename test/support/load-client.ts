// The stock client of load-client.mjs, in a process of its own, as the tests command it.

import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6

interface LoadReport {
  readonly acked: number
  readonly received: number
  readonly unacked: number
  readonly missing: number
  readonly duplicates: number
  readonly refused: number
  readonly released: number
  readonly gaps: readonly (readonly [number, number])[]
  /** The longest pause between two acknowledgements since gaps were forgotten, ms; `gaps` has only the last ones. */
  readonly longest: number
  readonly lastAck: number
  readonly now: number
  readonly connections: number
}

/** Of messages acknowledged since the last account: how many, which of them never came, which came more than once. */
export interface Account {
  readonly acked: number
  readonly missing: number
  readonly twice: number
}

/** The client of load-client.mjs. */
export class LoadClient {
  readonly #child: ChildProcess
  #lines: string[] = []
  #waiting: ((line: string) => void) | null = null
  #stderr = ''

  constructor(
    /** Ports on loopback, or `host:port`. */
    drill: { readonly amqp: Readonly<Record<'primary' | 'secondary', number | string>> },
    options: {
      queue?: string
      window?: number
      rate?: number
      /** A connection that is silent for this long is given up; without it, only TCP tells. */
      idleMs?: number
      /** Receives nothing before it drains: what was acknowledged has to lie there until then. */
      held?: boolean
      /** Words of a command that runs it elsewhere. */
      within?: readonly string[]
    } = {},
  ) {
    const { queue = 'orders', window = 500, rate = 0, idleMs = 0, held = false, within = [] } = options
    const servers = `${drill.amqp.primary},${drill.amqp.secondary}`
    const script = join(import.meta.dirname, 'load-client.mjs')
    const words = [
      ...within,
      process.execPath,
      script,
      queue,
      servers,
      String(window),
      String(rate),
      String(idleMs),
      held ? 'held' : '',
    ]
    this.#child = spawn(words[0] as string, words.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
    let rest = ''
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString('utf8')).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        if (this.#waiting) {
          const tell = this.#waiting
          this.#waiting = null
          tell(line)
        } else this.#lines.push(line)
      }
    })
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString('utf8')))
  }

  async started(): Promise<void> {
    await this.#next(10_000)
  }

  async report(): Promise<LoadReport> {
    return JSON.parse(await this.#ask('report', 10_000)) as LoadReport
  }

  async forgetGaps(): Promise<void> {
    await this.#ask('gaps', 10_000)
  }

  /** Waits until all that is acknowledged by now has been received. */
  async account(withinMs = 30_000): Promise<Account> {
    try {
      return JSON.parse(await this.#ask('account', withinMs)) as Account
    } catch (error) {
      throw new Error(`not all that was acknowledged came: ${await this.#ask('report', 5000)}`, { cause: error })
    }
  }

  /** Waits for `count` more acknowledgements than now. */
  async progress(count = 500, withinMs = 90_000): Promise<LoadReport> {
    const before = (await this.report()).acked
    const end = monotonic() + withinMs
    for (;;) {
      const report = await this.report()
      if (report.acked >= before + count) return report
      if (monotonic() > end) throw new Error(`no progress: ${JSON.stringify(report)}\n${this.#stderr}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  /** Stops sending and waits until everything acknowledged was received. */
  async drain(withinMs = 180_000): Promise<LoadReport> {
    try {
      return JSON.parse(await this.#ask('drain', withinMs)) as LoadReport
    } catch (error) {
      throw new Error(`not drained: ${await this.#ask('report', 5000)}\n${this.#stderr}`, { cause: error })
    }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const gone = new Promise(resolve => this.#child.once('exit', resolve))
    this.#child.stdin?.write('quit\n')
    await gone
  }

  #ask(command: string, withinMs: number): Promise<string> {
    this.#child.stdin?.write(`${command}\n`)
    return this.#next(withinMs)
  }

  #next(withinMs: number): Promise<string> {
    const had = this.#lines.shift()
    if (had !== undefined) return Promise.resolve(had)
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        this.#waiting = null
        reject(new Error(`the client says nothing\n${this.#stderr}`))
      }, withinMs)
      this.#waiting = line => {
        clearTimeout(limit)
        resolve(line)
      }
    })
  }
}
