// Which server a command speaks to: a profile's folder (its admin port is in the profile) or an admin URL. And where the
// shipped profiles are.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Argv } from 'yargs'
import { isAnyAddress } from '../profiles/network.ts'
import { loadProfile, ProfileRefused } from '../server/profile-files.ts'
import { CommandFailed, EXIT, Misused } from './errors.ts'

/** The folder of the product: of package.json, profiles/ and docs/. The same seen from src/cli and from dist/cli. */
export const PRODUCT = fileURLToPath(new URL('../..', import.meta.url))

const HOST_AND_PORT = /^(\[[\da-f:.]+\]|[\w.-]+):\d{1,5}$/i

export interface Target {
  /** As the operator named it. */
  readonly name: string
  /** http://host:port */
  readonly base: string
  readonly token: string | null
}

/** A profile's folder as it was named, or below the product's own profiles. */
export function findFolder(named: string): string {
  const candidates = [named, join(PRODUCT, named), join(PRODUCT, 'profiles', named)]
  return candidates.find(folder => existsSync(resolve(folder, 'profile.yaml'))) ?? named
}

/** Faults and warnings of a refused profile as lines, and exit code 2. */
export const refusedProfile = (refused: ProfileRefused): CommandFailed =>
  new CommandFailed(
    EXIT.usage,
    refused.reading.list.all.map(f => `${f.severity === 'warning' ? 'warning ' : ''}${f.error.line()}`),
  )

export function targetOf(named: string, sets: readonly string[]): Target {
  // A token on the command line could be read by everybody on the machine.
  const token = process.env['LOCKSTEP_ADMIN_TOKEN'] ?? null
  if (/^https?:\/\//i.test(named)) {
    if (sets.length > 0) throw new Misused('--set is for a profile, and what is named is an admin URL.')
    return { name: named, base: named.replace(/\/+$/, ''), token }
  }
  if (HOST_AND_PORT.test(named) && !existsSync(named))
    throw new Misused(`There is no profile folder ${named}. An admin URL begins with http://, as http://${named} does.`)
  try {
    const profile = loadProfile(findFolder(named), sets)
    const host = isAnyAddress(profile.admin.host) ? '127.0.0.1' : profile.admin.host
    const base = `http://${host.includes(':') ? `[${host}]` : host}:${profile.rmiServerPort}`
    return { name: named, base, token: profile.security.adminToken ?? token }
  } catch (error) {
    throw error instanceof ProfileRefused ? refusedProfile(error) : error
  }
}

export const setOption = {
  type: 'string',
  array: true,
  nargs: 1,
  default: [] as string[],
  describe: 'key=value in place of what the profile says; can be given more than once',
} as const

/** `<target>` and `--set`, for the commands that speak to a running server. */
export const withTarget = <T>(yargs: Argv<T>) =>
  yargs
    .positional('target', {
      type: 'string',
      demandOption: true,
      describe: 'profile folder or admin URL (http://host:port)',
    })
    .option('set', setOption)
