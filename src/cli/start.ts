// lockstep start: runs one server in the foreground. The profile is judged here, before anything is opened or written;
// the rest is src/server/start.ts.

import type { CommandModule } from 'yargs'
import type { LogFormat } from '../server/log.ts'
import { loadProfile, ProfileRefused } from '../server/profile-files.ts'
import { findFolder, refusedProfile, setOption } from './target.ts'

interface StartArgs {
  'profile-folder': string
  set: string[]
  logFormat: LogFormat
}

export const start: CommandModule<{}, StartArgs> = {
  command: 'start <profile-folder>',
  describe: 'runs one server in the foreground; Ctrl-C stops it gracefully',
  builder: yargs =>
    yargs
      .positional('profile-folder', { type: 'string', demandOption: true, describe: 'folder with a profile.yaml' })
      .option('set', setOption)
      .option('log-format', {
        choices: ['human', 'json'] as const,
        default: 'human' as LogFormat,
        describe: 'lines for people or JSON',
      }) as never,
  async handler(args) {
    const folder = findFolder(args['profile-folder'])
    try {
      loadProfile(folder, args.set)
    } catch (error) {
      throw error instanceof ProfileRefused ? refusedProfile(error) : error
    }
    stopWithParent()
    const { startServer } = await import('../server/start.ts')
    process.exitCode = await startServer(folder, args.set, { logFormat: args.logFormat })
  },
}

/** Under `lockstep pair`, a server whose parent is gone stops as for Ctrl-C: nothing is left running unseen. */
function stopWithParent(): void {
  if (process.channel === undefined) return
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel?.unref()
}
