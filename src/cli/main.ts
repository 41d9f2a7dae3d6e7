#!/usr/bin/env node
// lockstep: the command line. One file to a command; this one only puts them together and turns what they throw into
// lines on standard error and an exit code (errors.ts).

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { CodedError } from '../base/errors.ts'
import { check } from './check.ts'
import { queue, session, subscription } from './content.ts'
import { doctor } from './doctor.ts'
import { CommandFailed, EXIT, Misused } from './errors.ts'
import { forceActive } from './force-active.ts'
import { gateway } from './gateway.ts'
import { pair } from './pair.ts'
import { address } from './address.ts'
import { permission } from './permission.ts'
import { quarantine } from './quarantine.ts'
import { simulate } from './simulate.ts'
import { start } from './start.ts'
import { status } from './status.ts'
import { stop } from './stop.ts'
import { switchover } from './switchover.ts'
import { PRODUCT } from './target.ts'
import { usageFailed } from './usage.ts'
import { user } from './user.ts'

const { version } = JSON.parse(readFileSync(join(PRODUCT, 'package.json'), 'utf8')) as { version: string }

const LONG: ReadonlySet<string> = new Set(['start', 'pair', 'gateway'])

const COMMANDS = [
  start,
  pair,
  gateway,
  status,
  switchover,
  stop,
  check,
  doctor,
  forceActive,
  quarantine,
  user,
  permission,
  address,
  queue,
  subscription,
  session,
  simulate,
]
const usages = [...COMMANDS.map(({ command }) => String(command)), 'completion']
// Of a script for the shell nobody needs to be told more than of all commands: yargs would print it.
const given = hideBin(process.argv)
const words = given[0] === 'completion' && given.includes('--help') ? ['--help'] : given

const cli = yargs(words)
  .scriptName('lockstep')
  .usage('$0 <command>\n\nA message broker as an active/passive pair.')
  .version(version)
  .command(COMMANDS as never)
  .completion('completion', 'prints a script for completion in the shell')
  .demandCommand(1, 'A command is missing')
  .strict()
  .check(args => {
    const bad = Object.entries(args).find(([, value]) => Number.isNaN(value))
    if (bad !== undefined) throw new Misused(`--${bad[0]} must be a number.`)
    for (const word of words) {
      const [, name = '', value = ''] = /^--([\w-]+)=(.*)$/s.exec(word) ?? []
      if (typeof args[name] === 'boolean' && !['true', 'false'].includes(value))
        throw new Misused(`--${name} takes no value.`)
    }
    return true
  })
  .parserConfiguration({ 'duplicate-arguments-array': true, 'parse-numbers': true, 'boolean-negation': true })
  .wrap(Math.min(110, process.stdout.columns ?? 110))
  .epilogue('Exit codes: 0 done, 1 failed, 2 usage or profile error, 3 not reachable, 130 interrupted.')
  .exitProcess(false)
  .locale('en')
  .fail((message: string | null, error: unknown) => {
    throw error instanceof Error ? error : new Misused(message ?? 'It is not understood.')
  })

// `lockstep status | head`: the reader may leave. Servers outlive their console.
if (!LONG.has(process.argv[2] ?? '')) process.stdout.on('error', () => process.exit(EXIT.done))

try {
  await cli.parseAsync()
} catch (error) {
  const [exit, lines] = explain(error)
  for (const line of lines) process.stderr.write(`${line}\n`)
  process.exitCode = exit
}

function explain(error: unknown): [number, readonly string[]] {
  if (error instanceof CommandFailed) return [error.exit, error.lines]
  if (error instanceof CodedError) return [EXIT.failed, [error.line()]]
  if (error instanceof Misused || (error instanceof Error && error.name === 'YError'))
    return explain(usageFailed(error.message, words, usages))
  return [EXIT.failed, [error instanceof Error ? (error.stack ?? error.message) : String(error)]]
}
