// lockstep force-active: lets a server serve although the LockFile does not list it as in sync. Data that only the other
// server has may be lost; so it takes two options, and the reason is recorded.

import type { CommandModule } from 'yargs'
import { askJson } from './admin-client.ts'
import { Misused } from './errors.ts'
import { targetOf, withTarget } from './target.ts'

interface ForceArgs {
  target: string
  set: string[]
  acceptLoss: boolean
  reason: string
}

export const forceActive: CommandModule<{}, ForceArgs> = {
  command: 'force-active <target>',
  describe: 'lets a server serve that is not in sync; what only the other one has may be LOST',
  builder: yargs =>
    withTarget(yargs)
      .option('accept-loss', { type: 'boolean', default: false, describe: 'yes, acknowledged data may be lost' })
      .option('reason', {
        type: 'string',
        nargs: 1,
        default: '',
        describe: 'why; recorded in the LockFile and on the console',
      }) as never,
  async handler(args) {
    if (!args.acceptLoss)
      throw new Misused('Without --accept-loss nothing is forced: data that only the other server has may be lost.')
    if (args.reason.trim().length < 3)
      throw new Misused('--reason is missing, or has fewer than 3 characters: say why, it is recorded.')
    const target = targetOf(args.target, args.set)
    const body = { acceptLoss: true, reason: args.reason.trim() }
    await askJson(target, '/force-active', { method: 'POST', body, withinMs: 65_000 })
    process.stdout.write(
      'Recorded. The server takes the lock as soon as it is free; where that takes more than a minute, the order lapses. See lockstep status.\n',
    )
  },
}
