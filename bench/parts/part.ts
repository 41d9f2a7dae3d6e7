// What a part of the messaging bench is, and what all of them need: brokers that are started in folders of their own and
// ended whatever happens, and tables that keep what several rounds found.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchBroker } from '../brokers/broker.ts'
import type { Fresh } from '../../test/support/kept-rows.ts'

export interface Setting {
  readonly rounds: number
  /** Scales what is measured for a while: 1 is what the documents show. */
  readonly seconds: number
  /** Of the backlog, for the pair. */
  readonly messages: number
  /** Of those that idle. */
  readonly connections: number
  readonly kills: number
  /** Only brokers whose names match. */
  readonly brokers: RegExp
  /** Only cases whose titles match. */
  readonly cases: RegExp
  /** Options of Node for the pair's processes. */
  readonly nodeOptions: readonly string[]
}

/** A table in Markdown, kept in docs/performance.md by its name. */
export interface Table {
  readonly name: string
  readonly head: readonly string[]
  readonly order: readonly string[]
  readonly rows: Fresh
}

export interface Part {
  readonly name: string
  run(setting: Setting): Promise<readonly Table[]>
}

export const say = (line: string): void => console.log(line)

/** Those that are wanted and installed. */
export function wanted<B extends BenchBroker>(all: readonly B[], { brokers }: Setting): B[] {
  const chosen = all.filter(({ name }) => brokers.test(name))
  for (const { name, missing } of chosen)
    if (missing !== null) say(`${name} is left out, for it is not here: ${missing}`)
  return chosen.filter(({ missing }) => missing === null)
}

/** Starts the brokers, one after another, and ends them when `work` has. */
export async function withBrokers<B extends BenchBroker>(
  brokers: readonly B[],
  work: () => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
  const started: B[] = []
  try {
    for (const broker of brokers) {
      say(`starting ${broker.name} ...`)
      started.push(broker)
      await broker.start(mkdtempSync(join(folder, 'broker-')))
    }
    await work()
  } finally {
    for (const broker of started) await broker.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

/** The row of one case and broker. */
export const rowOf = (title: string, broker: { readonly name: string }): string => `${title}: ${broker.name}`
