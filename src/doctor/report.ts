// What `lockstep doctor` prints: findings as lines for a person, the worst at the end where the eye is, and as JSON for
// programs. And the tables for docs/doctor.md. Pure text.

import { isUnfit, rows, type Finding, type FindingName, type Severity } from './finding.ts'
import { yamlOf, type Outlook } from './outlook.ts'
import { vitals } from './vitals.ts'

const ORDER: readonly Severity[] = ['ok', 'unknown', 'warn', 'refuse']

export function showFindings(findings: readonly Finding[], outlook: Outlook | null): string {
  const lines: string[] = []
  for (const severity of ORDER)
    for (const f of findings.filter(each => each.severity === severity)) {
      lines.push(`${severity.padEnd(7)} ${f.code}: ${f.what}`)
      if (severity !== 'ok') lines.push(`          why: ${f.why}`, `          do:  ${f.remedy}`)
    }
  if (outlook !== null) {
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
    const other = outlook.fittingExpected.find(({ fault }) => fault === 'host lost')
    lines.push('', 'time without service to expect with this profile:')
    lines.push(...outlook.expected.map(({ fault, ms }) => `  ${fault.padEnd(14)} ${seconds(ms)}`))
    lines.push('', `shortest intervals that fit what was measured (host lost: ${seconds(other?.ms ?? 0)}):`)
    lines.push(...yamlOf(outlook.fitting).map(line => `  ${line}`))
  }
  const count = (severity: Severity): number => findings.filter(f => f.severity === severity).length
  const verdict = isUnfit(findings) ? 'NOT FIT' : 'fit'
  lines.push('', `${verdict}: ${count('refuse')} to refuse, ${count('warn')} warnings, ${count('unknown')} unknown`)
  return `${lines.join('\n')}\n`
}

export const jsonReport = (findings: readonly Finding[], outlook: Outlook | null): string =>
  `${JSON.stringify({ fit: !isUnfit(findings), findings, outlook: outlook && { expected: outlook.expected, fitting: outlook.fitting } }, null, 2)}\n`

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

export const findingTable = (): string =>
  [
    '| code | severity | what was seen | why it matters | what to do |',
    '| --- | --- | --- | --- | --- |',
    ...(Object.keys(rows) as FindingName[]).map(name => {
      const [severity, ...texts] = rows[name]
      return `| \`DOCTOR-${name}\` | ${severity} | ${texts.map(cell).join(' | ')} |`
    }),
  ].join('\n')

export const vitalTable = (): string =>
  [
    '| vital sign | measured by | warns above | code |',
    '| --- | --- | --- | --- |',
    ...Object.entries(vitals).map(
      ([name, v]) => `| \`${name}\`: ${v.meaning} | ${v.by} | ${v.rule} | \`SELFTEST-${v.error}\` |`,
    ),
  ].join('\n')
