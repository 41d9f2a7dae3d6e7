// A disk made of strings, for profile tests: no file is needed, and none can be written.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { readProfile, type ProfileReading } from '../../src/profiles/read.ts'
import type { ProfileWorld } from '../../src/profiles/rules.ts'

export const shippedText = (place: string): string =>
  readFileSync(fileURLToPath(new URL(`../../profiles/${place}/profile.yaml`, import.meta.url)), 'utf8')

const fakeWorld = (files: Readonly<Record<string, string>>, folders: readonly string[] = []): ProfileWorld => ({
  kindOf: path => (path in files ? 'file' : folders.includes(path) ? 'folder' : 'none'),
  read: path => (path in files ? { text: files[path] as string } : { problem: 'there is no such file' }),
})

export interface Variation {
  /** Keys of the shipped primary FES profile to set (dots for sections) or, with undefined, to leave out. */
  readonly change?: Readonly<Record<string, unknown>>
  /** The whole text instead. */
  readonly text?: string
  readonly sets?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  readonly folders?: readonly string[]
  readonly place?: string
}

/** Reads a shipped profile (haprofile1/primary/FES unless `place` says another) with changes. */
export function vary({ change = {}, text, sets = [], files = {}, folders = [], place }: Variation): ProfileReading {
  const at = place ?? 'haprofile1/primary/FES'
  const tree = parse(shippedText(at)) as Record<string, unknown>
  for (const [key, value] of Object.entries(change)) {
    const parts = key.split('.')
    let section = tree
    for (const part of parts.slice(0, -1)) section = (section[part] ??= {}) as Record<string, unknown>
    if (value === undefined) delete section[parts.at(-1) as string]
    else section[parts.at(-1) as string] = value
  }
  const folder = `/p/profiles/${at}`
  const world = fakeWorld({ [`${folder}/profile.yaml`]: text ?? stringify(tree), ...files }, folders)
  return readProfile({ folder, shown: `profiles/${at}`, sets }, world)
}

export const codes = (reading: { list: { all: readonly { error: { code: string } }[] } }): string[] =>
  reading.list.all.map(f => f.error.code)
