// The rules as documents: the table and the Mermaid diagram of docs/states.md.

import { dutyRows } from './duties.ts'
import { WORDS, type When } from './observation.ts'
import { rules } from './rules.ts'
import { ROLES } from './roles.ts'

const words = (when: When): string =>
  Object.entries(when)
    .map(([name, allowed]) => `${name}: ${(allowed as readonly string[]).join(' or ')}`)
    .join('; ') || 'always'

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

export const ruleTable = (): string =>
  [
    row(['rule', 'from', 'when', 'to', 'because']),
    row(['---', '---', '---', '---', '---']),
    ...rules.map(r => row([r.id, r.from, words(r.when), r.to, r.because])),
  ].join('\n')

export const dutyTable = (): string =>
  [
    row(['row', 'role', 'when', 'duty', 'because']),
    row(['---', '---', '---', '---', '---']),
    ...dutyRows.map(r => row([r.id, r.role, words(r.when), r.duty, r.because])),
  ].join('\n')

export const wordTable = (): string =>
  [
    row(['word', 'values']),
    row(['---', '---']),
    ...Object.entries(WORDS).map(([name, values]) => row([name, values.join(', ')])),
  ].join('\n')

export function mermaid(): string {
  const id = (role: string) => role.replace(' ', '_')
  return [
    '```mermaid',
    'stateDiagram-v2',
    '  [*] --> WAITING',
    ...ROLES.filter(role => role.includes(' ')).map(role => `  ${id(role)} : ${role}`),
    ...rules.map(r => `  ${id(r.from)} --> ${id(r.to)} : ${r.id}`),
    '```',
  ].join('\n')
}
