// The keys as a table for docs/profiles.md.

import { keyNames, keys, type Key, type KeyName } from './keys.ts'

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
const code = (text: string): string => (text === '' ? '' : `\`${text}\``)

function defaultOf(key: Key<unknown>): string {
  if (key.mandatory) return key.only === null ? '**must be given**' : `**must be given** (${key.only})`
  return key.shown
}

const row = (name: KeyName): string => {
  const key = keys[name] as Key<unknown>
  const unit = key.kind.unit === '' ? '' : `, ${key.kind.unit}`
  const only = key.only === null || key.mandatory ? '' : `; only ${key.only}`
  const cells = [code(name), `${key.kind.type}${unit}`, `${defaultOf(key)}${only}`, key.meaning, key.kind.rule]
  return `| ${cells.map(cell).join(' | ')} |`
}

/** All keys: name, type, default, meaning, what a value must be. */
export const keyTable = (): string =>
  [
    '| key | type | default | meaning | a value must be |',
    '| --- | --- | --- | --- | --- |',
    ...keyNames.map(row),
  ].join('\n')

/** Other names that are accepted, Fiorano's and misspelt ones. */
export const aliasTable = (): string =>
  [
    '| key | also accepted |',
    '| --- | --- |',
    ...keyNames
      .filter(name => keys[name].aliases.length > 0)
      .map(name => `| ${code(name)} | ${keys[name].aliases.map(code).join(', ')} |`),
  ].join('\n')
