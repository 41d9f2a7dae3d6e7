// lockstep doctor: proves, from this host, that share, lock, gateway, peer, disk and clock are fit for the job, or says
// what is not and what to do. With --with-peer both hosts at the same time, for what only two can find out.

import type { CommandModule } from 'yargs'
import { isUnfit } from '../doctor/finding.ts'
import { jsonReport, showFindings } from '../doctor/report.ts'
import { loadProfile, ProfileRefused } from '../server/profile-files.ts'
import { EXIT } from './errors.ts'
import { findFolder, refusedProfile, setOption } from './target.ts'

interface DoctorArgs {
  'profile-folder': string
  set: string[]
  json: boolean
  withPeer: boolean
  wait: number
}

export const doctor: CommandModule<{}, DoctorArgs> = {
  command: 'doctor <profile-folder>',
  describe: 'proves that share, lock, gateway, peer, disk and clock are fit, or says what is not and what to do',
  builder: yargs =>
    yargs
      .positional('profile-folder', { type: 'string', demandOption: true, describe: 'folder with a profile.yaml' })
      .option('with-peer', {
        type: 'boolean',
        default: false,
        describe: 'measures together with the doctor of the other server: run it on both hosts at the same time',
      })
      .option('wait', {
        nargs: 1,
        type: 'number',
        default: 60,
        describe: 'seconds to wait for the doctor of the other server',
      })
      .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
      .option('set', setOption) as never,
  async handler(args) {
    let profile
    try {
      profile = loadProfile(findFolder(args['profile-folder']), args.set)
    } catch (error) {
      throw error instanceof ProfileRefused ? refusedProfile(error) : error
    }
    const { examine } = await import('../server/doctor-run.ts')
    const { findings, outlook } = await examine(profile, {
      peerWaitMs: args.withPeer ? Math.min(Math.max(args.wait, 1), 3600) * 1000 : 0,
      onStep: what => void (!args.json && process.stderr.isTTY && process.stderr.write(`... ${what}\n`)),
    })
    process.stdout.write(args.json ? jsonReport(findings, outlook) : showFindings(findings, outlook))
    if (isUnfit(findings)) process.exitCode = EXIT.failed
  },
}
