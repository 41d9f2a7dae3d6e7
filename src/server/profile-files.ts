// Profiles on the real disk: reads, and never writes. Used by every command before anything else is touched.

import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Profile } from '../profiles/profile.ts'
import { readProfile, type ProfileReading } from '../profiles/read.ts'
import type { ProfileWorld } from '../profiles/rules.ts'

/** Larger files are no profiles, secrets or certificates. */
const MOST_BYTES = 4 * 1024 * 1024

const words: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
}

const problemOf = (error: unknown): string => {
  const code = (error as NodeJS.ErrnoException).code ?? String(error)
  return words[code] ?? code
}

export const diskWorld: ProfileWorld = {
  kindOf(path) {
    try {
      const found = statSync(path)
      return found.isDirectory() ? 'folder' : found.isFile() ? 'file' : 'other'
    } catch {
      return 'none'
    }
  },
  read(path) {
    try {
      const found = statSync(path)
      // A pipe or device would hang the reader.
      if (!found.isFile()) return { problem: found.isDirectory() ? 'it is a folder' : 'it is not a file' }
      if (found.size > MOST_BYTES) return { problem: `it is larger than ${MOST_BYTES} bytes` }
      return { text: readFileSync(path, 'utf8') }
    } catch (error) {
      return { problem: problemOf(error) }
    }
  },
}

/** Reads and checks the profile in a folder, with overrides as written after `--set`. */
export const readProfileFolder = (folder: string, sets: readonly string[] = []): ProfileReading =>
  readProfile({ folder: resolve(folder), shown: folder, sets }, diskWorld)

/** A profile that has faults; each is a line for the console. */
export class ProfileRefused extends Error {
  override name = 'ProfileRefused'
  readonly reading: ProfileReading
  constructor(reading: ProfileReading) {
    super(reading.list.faults.map(f => f.error.line()).join('\n'))
    this.reading = reading
  }
}

/** The checked profile in a folder, or throws ProfileRefused with everything that is wrong. */
export function loadProfile(folder: string, sets: readonly string[] = []): Profile {
  const reading = readProfileFolder(folder, sets)
  if (reading.profile === null) throw new ProfileRefused(reading)
  return reading.profile
}
