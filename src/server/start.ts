// Starts one server: this process becomes its keeper, and the broker its child (broker-main.ts).

import { fileURLToPath } from 'node:url'
import { deriveIntervals } from '../profiles/intervals.ts'
import { makeOwnLockFolder } from './doctor-folder.ts'
import { runKeeper } from './keeper-process.ts'
import { createLog, type LogFormat } from './log.ts'
import { loadProfile } from './profile-files.ts'

export interface StartOptions {
  readonly logFormat: LogFormat
}

/** Runs until the server has ended, then ends the process. Throws ProfileRefused or a coded error before anything runs. */
export async function startServer(folder: string, sets: readonly string[], options: StartOptions): Promise<never> {
  const profile = loadProfile(folder, sets)
  makeOwnLockFolder(profile)
  return runKeeper({
    lockFile: profile.lockFile,
    label: profile.server,
    intervals: deriveIntervals(profile),
    hosts: {
      gateway: profile.gatewayServerIPAddress,
      peer: profile.backupHAIPAddress,
      singleHost: profile.singleHost,
    },
    brokerModule: fileURLToPath(
      new URL(import.meta.url.endsWith('.ts') ? './broker-main.ts' : './broker-main.js', import.meta.url),
    ),
    brokerArgs: [JSON.stringify({ folder, sets, logFormat: options.logFormat })],
    log: createLog({ format: options.logFormat, fields: { server: profile.server } }),
  })
}
