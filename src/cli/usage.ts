// What is wrong with a command line, in words: the argument that is missing or too many, the option or command that there
// is not, and how the command is used. yargs finds the fault and says it for programmers.

import { nearest } from '../profiles/nearest.ts'
import { cliError, EXIT, failed, type CommandFailed } from './errors.ts'

/** The command strings of yargs, as `user <target> [action] [name]`. */
export type Usages = readonly string[]

const nameOf = (usage: string): string => usage.split(' ', 1)[0] as string

const listed = (words: string): string =>
  words
    .split(', ')
    .map(word => word.replaceAll('"', ''))
    .join(', ')

/** `message` as yargs has it, or a command's own sentence. */
export function usageFailed(message: string, words: readonly string[], usages: Usages): CommandFailed {
  const plain = words.filter(word => !word.startsWith('-'))
  const named = plain.find(word => usages.some(each => nameOf(each) === word)) ?? plain[0]
  const usage = usages.find(each => nameOf(each) === named)
  const problem = usage === undefined ? noCommand(named, usages) : inWords(message, words, usage)
  const command = usage === undefined ? '' : `${nameOf(usage)} `
  return failed(cliError('USAGE', { problem, usage: usage ?? '<command>', command }), EXIT.usage)
}

function noCommand(named: string | undefined, usages: Usages): string {
  if (named === undefined) return 'A command is missing.'
  const near = nearest(named, usages.map(nameOf))
  return `${named} is no command${near === null ? '' : `; did you mean ${near}?`}`.replace(/[^?]$/, '$&.')
}

function inWords(message: string, words: readonly string[], usage: string): string {
  const line = message.replaceAll(/\s+/g, ' ')
  const [, got] = /^Not enough non-option arguments: got (\d+)/.exec(line) ?? []
  if (got !== undefined) return `${(usage.match(/<[^>]+>/g) ?? [])[Number(got)] ?? 'An argument'} is missing.`
  const [, short] = /^Not enough arguments following: (.+)$/.exec(line) ?? []
  if (short !== undefined) return `--${short} needs a value.`
  const [, unknown] = /^Unknown arguments?: (.+)$/.exec(line) ?? []
  if (unknown !== undefined) {
    const first = unknown.split(', ')[0] as string
    const option = words.find(word => word.startsWith('-') && word.replace(/^-+(no-)?/, '').split('=', 1)[0] === first)
    return option === undefined ? `${first} is one argument too many.` : `There is no option ${option}.`
  }
  const [, argument, given, choices] = /^Invalid values: Argument: (\S+), Given: (.+), Choices: (.+)$/.exec(line) ?? []
  if (choices !== undefined) return `${argument} can not be ${given}; there are ${listed(choices)}.`
  return line.replace(/[^.?]$/, '$&.')
}
