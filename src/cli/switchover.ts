// lockstep switchover: the active server hands over to the passive one.

import type { CommandModule } from 'yargs'
import { askJson } from './admin-client.ts'
import { targetOf, withTarget } from './target.ts'

export const switchover: CommandModule<{}, { target: string; set: string[] }> = {
  command: 'switchover <target>',
  describe: 'hands over to the passive server; nothing is lost',
  builder: yargs => withTarget(yargs) as never,
  async handler(args) {
    const target = targetOf(args.target, args.set)
    await askJson(target, '/switchover', { method: 'POST', withinMs: 65_000 })
    process.stdout.write('Done: the other server is active now.\n')
  },
}
