// What can go wrong in a command itself, and the exit codes of all commands.

import { defineErrors, type CodedError } from '../base/errors.ts'

/** A contract with scripts. */
export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const cliError = defineErrors('CLI', {
  USAGE: { what: '{problem}', remedy: 'Usage: lockstep {usage}; more: lockstep {command}--help.' },
  UNREACHABLE: {
    what: 'The server of {target} is not reachable at {address} ({problem}).',
    remedy: 'Is it running? Start it with lockstep start, or name its admin URL.',
  },
  'NOT-LOCKSTEP': {
    what: 'What answers at {address} is not the admin API of a Lockstep server ({problem}).',
    remedy: 'Check rmiServerPort in the profile, or the URL.',
  },
  REFUSED: { what: 'The server refuses: {problem}', remedy: '{remedy}' },
  'PORT-TAKEN': {
    what: 'Port {port} on {host} is in use by another program ({key} of {profile}).',
    remedy: 'Stop that program (another lockstep pair?), or give {key} another port: {how}.',
  },
  'NO-PAIR': {
    what: 'There is no pair {name} of kind {kind} ({folder} is missing).',
    remedy: 'The shipped ones are haprofile1 (FES, FPS) and haprofile2 (FPS).',
  },
  'STOP-LATE': {
    what: 'The server of {target} still answers {seconds} s after it agreed to stop.',
    remedy: 'Look at its console; lockstep status says what it waits for.',
  },
  'NOT-GRANTED': {
    what: '{subject} has no permission to {actions} {kind} {pattern}: nothing was taken.',
    remedy: 'lockstep permission <target> list shows what was granted, by subject and pattern.',
  },
  'NOTHING-TO-EXPORT': {
    what: 'There is {problem}.',
    remedy: 'lockstep quarantine {target} list shows what there is.',
  },
  WORKER: {
    what: 'A process that ran seeds ended by itself ({how}). Without an answer are {seeds}.',
    remedy: 'Run them one by one with --seed: one that ends its process is a fault. Fewer --jobs need less memory.',
  },
  OUTPUT: {
    what: 'The file {file} can not be written: {problem}.',
    remedy: 'Choose another --output; it must not exist yet.',
  },
})

/** Ends a command: what to say, and the exit code. */
export class CommandFailed extends Error {
  override name = 'CommandFailed'
  readonly exit: ExitCode
  readonly lines: readonly string[]
  constructor(exit: ExitCode, lines: readonly string[]) {
    super(lines.join('\n'))
    this.exit = exit
    this.lines = lines
  }
}

/** A command line that is wrong, as only the command itself can see; main.ts adds how the command is used. */
export class Misused extends Error {
  override name = 'Misused'
}

export const failed = (error: CodedError, exit: ExitCode = EXIT.failed): CommandFailed =>
  new CommandFailed(exit, [error.line()])
