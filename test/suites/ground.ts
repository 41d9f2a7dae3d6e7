// The ground that suites of others stand on: a pair of real processes with every kind of client port, and programs that
// are run against it. Where a program is not installed, its tests are skipped, and say which package has it.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCertificate, type TestCertificate } from '../support/certificates.ts'
import { Drill, other, type Label } from '../support/drill.ts'
import { freePorts } from '../support/free-ports.ts'

export const labels = ['primary', 'secondary'] as const

/** The Python of the system, which finds what Debian's packages bring; another one does not. */
export const PYTHON = '/usr/bin/python3'

export const USER = 'ann'
export const PASSWORD = 'correct horse'

interface Ports {
  readonly mqtts: number
  readonly mqttWs: number
  readonly amqps: number
}

export class SuitePair {
  readonly drill: Drill
  readonly ports: Record<Label, Ports>
  readonly certificate: TestCertificate | null
  active: Label = 'primary'

  private constructor(drill: Drill, ports: Record<Label, Ports>, certificate: TestCertificate | null) {
    this.drill = drill
    this.ports = ports
    this.certificate = certificate
  }

  /** `changed`: keys of the profile, of both servers. */
  static async start(changed: Readonly<Record<string, string | number>> = {}): Promise<SuitePair> {
    const drill = await Drill.make({ sets: changed })
    const numbers = await freePorts(6)
    const certificate = makeCertificate(drill.folder, 'server')
    const of = (at: number): Ports => ({
      mqtts: numbers[at] as number,
      mqttWs: numbers[at + 1] as number,
      amqps: numbers[at + 2] as number,
    })
    const pair = new SuitePair(drill, { primary: of(0), secondary: of(3) }, certificate)
    for (const label of labels) pair.#write(label)
    try {
      for (const label of labels) drill.start(label)
      pair.active = await drill.settled()
      return pair
    } catch (error) {
      await drill.end()
      throw error
    }
  }

  #write(label: Label): void {
    const { drill, certificate } = this
    const { mqtts, mqttWs, amqps } = this.ports[label]
    const file = join(drill.folder, label, 'profile.yaml')
    const profile = JSON.parse(readFileSync(file, 'utf8')) as {
      listeners: { amqp: object; mqtt: object }
      security?: object
    }
    const tls = (port: number): object =>
      certificate === null ? {} : { tls: { port, certFile: certificate.certFile, keyFile: certificate.keyFile } }
    Object.assign(profile.listeners.amqp, tls(amqps))
    Object.assign(profile.listeners.mqtt, {
      // paho-mqtt says where it comes from as a page of a browser does.
      ws: { port: mqttWs, origins: [`https://127.0.0.1:${mqttWs}`] },
      ...tls(mqtts),
    })
    profile.security = { ...profile.security, users: { [USER]: PASSWORD } }
    Object.assign(profile, { backupServerMqttPort: drill.mqtt[other(label)] })
    writeFileSync(file, JSON.stringify(profile))
  }

  get mqttPort(): number {
    return this.drill.mqtt[this.active]
  }

  /** The broker of the active server dies; the other one serves alone. */
  async kill(): Promise<void> {
    const { drill, active } = this
    const next = other(active)
    const from = drill.server(next).lines.length
    drill.server(active).signal('broker', 'SIGKILL')
    await drill.server(next).line('switched to STANDALONE', from)
    this.active = next
  }

  /** The dead one comes back as the follower. */
  async heal(): Promise<void> {
    const dead = other(this.active)
    await this.drill.server(dead).exit
    this.drill.start(dead)
    this.active = await this.drill.settled()
  }
}

export interface Suite {
  readonly pair: SuitePair
  start(program: string, words: readonly string[]): Running
}

/** The frame of a suite, called in its `describe`: a pair, and no program left behind. Skipped where `isHere` says no. */
export function suiteOf(isHere: () => boolean, packageName: string): Suite {
  let pair: SuitePair | null = null
  const running: Running[] = []
  before(async function () {
    const missing = !isHere()
    if (missing) console.log(`        not here: install ${packageName}`)
    if (missing) this.skip()
    pair = await SuitePair.start()
  })
  after(async () => {
    for (const each of running) each.kill()
    await pair?.drill.end()
  })
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.log(pair?.drill.logs().split('\n').slice(-40).join('\n'))
  })
  return {
    get pair() {
      assert(pair !== null)
      return pair
    },
    start(program, words) {
      const made = new Running(program, words)
      running.push(made)
      return made
    },
  }
}

/** The lines of a program that succeeds. */
export async function finished(of: Running): Promise<string[]> {
  const { code, err } = await of.done
  assert.equal(code, 0, err)
  return of.lines
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A program under way. */
export class Running {
  readonly done: Promise<Ran>
  #out = ''
  #err = ''
  readonly #kill: () => void
  readonly #waiting = new Set<() => void>()

  constructor(program: string, words: readonly string[]) {
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#kill = () => void child.kill('SIGKILL')
    this.write = text => void child.stdin.write(text)
    this.end = () => void child.stdin.end()
    child.stdin.on('error', () => {})
    child.stdout.on('data', (chunk: Buffer) => {
      this.#out += chunk.toString()
      for (const wake of this.#waiting) wake()
    })
    child.stderr.on('data', (chunk: Buffer) => (this.#err += chunk.toString()))
    this.done = new Promise(resolve =>
      child.once('close', code => {
        resolve({ code, out: this.#out, err: this.#err })
        for (const wake of this.#waiting) wake()
      }),
    )
  }

  readonly write: (text: string) => void
  /** Its input ends. */
  readonly end: () => void

  get lines(): string[] {
    return this.#out.split('\n').slice(0, -1)
  }

  /** Waits until its output holds; fails when the program ends before. */
  async until(what: string, holds: (lines: readonly string[]) => boolean): Promise<void> {
    let over = false
    void this.done.then(() => (over = true))
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (holds(this.lines)) resolve()
        else if (over) reject(new Error(`ended before ${what}:\n${this.#out}\n${this.#err}`))
        else return
        this.#waiting.delete(look)
      }
      this.#waiting.add(look)
      void this.done.then(look)
      look()
    })
  }

  kill(): void {
    this.#kill()
  }
}

/** Runs a program to its end; throws with what it said where it does not succeed. */
export async function run(program: string, words: readonly string[]): Promise<string> {
  const { code, out, err } = await new Running(program, words).done
  if (code !== 0) throw new Error(`${program} ${words.join(' ')}: exit code ${code}\n${out}\n${err}`)
  return out
}

/** The first words of what a program says of itself; null where it is not there. */
export function versionOf(program: string, words: readonly string[]): string | null {
  try {
    return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch (error) {
    // mosquitto's clients print their help with an exit code of 1.
    const { stdout } = error as { stdout?: string }
    return stdout ? stdout.trim() : null
  }
}
