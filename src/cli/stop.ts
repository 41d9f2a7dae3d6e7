// lockstep stop: graceful stop, and waits until the server is gone.

import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandModule } from 'yargs'
import { ask, askJson } from './admin-client.ts'
import { cliError, CommandFailed, EXIT, failed } from './errors.ts'
import { targetOf, withTarget } from './target.ts'

const LOOK_MS = 100
const PATIENCE_MS = 30_000

export const stop: CommandModule<{}, { target: string; set: string[]; anyway: boolean }> = {
  command: 'stop <target>',
  describe: 'stops a server gracefully; an active one hands over first',
  builder: yargs =>
    withTarget(yargs).option('anyway', {
      type: 'boolean',
      default: false,
      describe: 'also where nobody would serve then, because the other server does not reach the LockFile',
    }) as never,
  async handler(args) {
    const target = targetOf(args.target, args.set)
    await askJson(target, args.anyway ? '/stop?anyway' : '/stop', { method: 'POST', withinMs: 65_000 })
    for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
      const gone = await ask(target, '/health/live').then(
        () => false,
        (error: unknown) => error instanceof CommandFailed && error.exit === EXIT.unreachable,
      )
      if (gone) return void process.stdout.write('Stopped.\n')
      await sleep(LOOK_MS)
    }
    throw failed(cliError('STOP-LATE', { target: target.name, seconds: PATIENCE_MS / 1000 }))
  },
}
