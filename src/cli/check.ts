// lockstep check: judges profiles, alone and as pairs, and says what their intervals mean. Reads, and touches nothing.

import { resolve } from 'node:path'
import type { CommandModule } from 'yargs'
import { deriveIntervals, expectedOutageMs, type Fault } from '../profiles/intervals.ts'
import { checkPair } from '../profiles/pair.ts'
import type { FaultList } from '../profiles/faults.ts'
import type { Profile } from '../profiles/profile.ts'
import type { ProfileReading } from '../profiles/read.ts'
import { readProfileFolder } from '../server/profile-files.ts'
import { EXIT, Misused } from './errors.ts'
import { findFolder, setOption } from './target.ts'

const FAULTS: readonly Fault[] = [
  'switchover',
  'broker killed',
  'broker frozen',
  'channel cut',
  'share cut',
  'keeper killed',
  'host lost',
  'host cut off',
]

export const check: CommandModule<{}, { 'profile-folder': string[]; set: string[] }> = {
  command: 'check <profile-folder..>',
  describe: 'validates profiles, alone or as a pair; touches nothing',
  builder: yargs =>
    yargs
      .positional('profile-folder', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'folders with a profile.yaml',
      })
      .option('set', setOption) as never,
  handler(args) {
    const folders = args['profile-folder'].map(findFolder)
    const twice = folders.find((folder, n) => folders.slice(0, n).some(other => resolve(other) === resolve(folder)))
    if (twice !== undefined) throw new Misused(`${twice} is named twice: a pair is two profiles.`)
    const readings = folders.map(folder => readProfileFolder(folder, args.set))
    const lines: string[] = []
    let sound = true
    for (const reading of readings) {
      const { profile, list, file } = reading
      sound &&= profile !== null
      lines.push(profile === null ? `${file}: ${countOf(list)}` : `${file}: OK (${profile.server}, ${profile.kind})`)
      lines.push(...told(list), ...(profile === null ? [] : meaning(profile)), '')
    }
    for (const [a, b] of pairs(readings)) {
      const list = checkPair(a, b)
      sound &&= list.faults.length === 0
      const fit = list.faults.length === 0 ? 'fit together as a pair' : countOf(list)
      lines.push(`${a.file} and ${b.file}: ${fit}`, ...told(list), '')
    }
    process.stdout.write(`${lines.join('\n').trimEnd()}\n`)
    if (!sound) process.exitCode = EXIT.usage
  },
}

const countOf = (list: FaultList): string => {
  const count = list.faults.length
  return count === 1 ? '1 fault' : `${count} faults`
}

const told = (list: FaultList): string[] =>
  list.all.map(f => `  ${f.severity === 'warning' ? 'warning ' : ''}${f.error.line()}`)

/** Two profiles are a pair whatever they say; of more, each primary goes with the secondary of the same LockFile. */
function pairs(readings: readonly ProfileReading[]): [ProfileReading, ProfileReading][] {
  const [first, second] = readings
  if (readings.length === 2 && first !== undefined && second !== undefined) return [[first, second]]
  const found: [ProfileReading, ProfileReading][] = []
  for (const a of readings.filter(r => r.values.server === 'primary')) {
    const b = readings.find(r => r.values.server === 'secondary' && r.values.lockFile === a.values.lockFile)
    if (b !== undefined) found.push([a, b])
  }
  return found
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

function meaning(profile: Profile): string[] {
  const i = deriveIntervals(profile)
  const grace =
    profile.startupGrace === 'forever' ? 'waits for the other server for ever' : `${profile.startupGrace} ms`
  return [
    `  intervals: ping ${i.pingMs} ms, lock renewed every ${i.renewMs} ms, lease ${i.leaseMs} ms, margin ${i.marginMs} ms,`,
    `    one operation on the share at most ${i.operationMs} ms, looks at the lock every ${i.lookMs} ms,`,
    `    peer silent after ${i.peerSilenceMs} ms, startup grace ${grace}`,
    '  without service at most (share on a local disk / on NFS or SMB):',
    ...FAULTS.map(fault => {
      const [local, network] = [expectedOutageMs(fault, i, 0), expectedOutageMs(fault, i)]
      return `    ${fault.padEnd(14)} ${seconds(local)} / ${seconds(network)}`
    }),
  ]
}
