// lockstep status: what a server is, sees and waits for.

import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandModule } from 'yargs'
import { showStatus } from '../admin/show.ts'
import type { StatusReport } from '../admin/subject.ts'
import { askJson } from './admin-client.ts'
import { CommandFailed, EXIT } from './errors.ts'
import { targetOf, withTarget } from './target.ts'

interface StatusArgs {
  target: string
  set: string[]
  json: boolean
  watch: boolean
  why: boolean
}

const WATCH_MS = 1000

export const status: CommandModule<{}, StatusArgs> = {
  command: 'status <target>',
  describe: 'role, peer, epoch, lock, in-sync set, position and lag of a server',
  builder: yargs =>
    withTarget(yargs)
      .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
      .option('watch', { type: 'boolean', default: false, describe: 'again every second, until Ctrl-C' })
      .option('why', { type: 'boolean', default: false, describe: 'also what keeps it from a better role' }) as never,
  async handler(args) {
    const target = targetOf(args.target, args.set)
    const show = async () => {
      const report = await askJson<StatusReport>(target, '/status')
      return args.json
        ? `${JSON.stringify(report, null, args.watch ? 0 : 2)}\n`
        : showStatus(report, Date.now(), args.why)
    }
    if (!args.watch) return void process.stdout.write(await show())
    for (;;) {
      const shown = await show().catch((error: unknown) => {
        // While one watches, a server that is gone may come back.
        if (error instanceof CommandFailed && error.exit === EXIT.unreachable) return `${error.message}\n`
        throw error
      })
      process.stdout.write(process.stdout.isTTY && !args.json ? `\u001b[H\u001b[2J${shown}` : shown)
      await sleep(WATCH_MS)
    }
  },
}
