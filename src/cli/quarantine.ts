// lockstep quarantine: what a server put aside instead of throwing it away, to look at and to take along.

import { closeSync, openSync, writeSync } from 'node:fs'
import type { CommandModule } from 'yargs'
import { showBytes } from '../admin/show.ts'
import type { QuarantineInfo } from '../journal/types.ts'
import { ask, askJson } from './admin-client.ts'
import { cliError, EXIT, failed } from './errors.ts'
import { targetOf, withTarget, type Target } from './target.ts'

interface QuarantineArgs {
  target: string
  action: 'list' | 'export'
  name?: string
  set: string[]
  form: 'jsonl' | 'binary'
  output?: string
}

export const quarantine: CommandModule<{}, QuarantineArgs> = {
  command: 'quarantine <target> [action] [name]',
  describe: 'lists or exports records that were put aside',
  builder: yargs =>
    withTarget(yargs)
      .positional('action', { choices: ['list', 'export'] as const, default: 'list' as const })
      .positional('name', { type: 'string', describe: 'which one to export; may be left out where there is one' })
      .option('form', {
        choices: ['jsonl', 'binary'] as const,
        default: 'jsonl' as const,
        describe: 'form of an export',
      })
      .option('output', {
        nargs: 1,
        type: 'string',
        describe: 'new file for an export; standard output unless given',
      }) as never,
  async handler(args) {
    const target = targetOf(args.target, args.set)
    const found = await askJson<QuarantineInfo[]>(target, '/quarantine')
    if (args.action === 'list') return void process.stdout.write(table(found))
    await exportOne(target, found, args)
  },
}

const table = (found: readonly QuarantineInfo[]): string => {
  if (found.length === 0) return 'Nothing was put aside.\n'
  const lines = found.map(
    q =>
      `${q.name}  records ${q.from} to ${q.to} (${q.records}, ${showBytes(q.bytes)}), ` +
      `${new Date(q.wallMs).toISOString()}: ${q.reason}`,
  )
  return `${lines.join('\n')}\n`
}

async function exportOne(target: Target, found: readonly QuarantineInfo[], args: QuarantineArgs): Promise<void> {
  const only = found.length === 1 ? found[0]?.name : undefined
  const name = args.name ?? only
  if (name === undefined) {
    const problem = found.length === 0 ? 'nothing to export' : 'more than one to export, and none is named'
    throw failed(
      cliError('NOTHING-TO-EXPORT', { problem, target: args.target }),
      found.length === 0 ? EXIT.failed : EXIT.usage,
    )
  }
  const path = `/quarantine/${encodeURIComponent(name)}?form=${args.form}`
  if (args.output === undefined) {
    const told = await ask(target, path, { withinMs: 600_000, onChunk: chunk => void process.stdout.write(chunk) })
    if (told.status !== 200) await askJson(target, path)
    return
  }
  const file = open(args.output)
  try {
    const told = await ask(target, path, { withinMs: 600_000, onChunk: chunk => void writeSync(file, chunk) })
    if (told.status !== 200) await askJson(target, path)
  } finally {
    closeSync(file)
  }
  process.stderr.write(`Exported ${name} to ${args.output}.\n`)
}

function open(file: string): number {
  try {
    return openSync(file, 'wx', 0o600)
  } catch (error) {
    throw failed(cliError('OUTPUT', { file, problem: (error as Error).message }), EXIT.usage)
  }
}
