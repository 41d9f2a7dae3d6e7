// The admin API's requests and metrics as tables for docs/admin.md.

import { routes } from './api.ts'
import { derived, measured, perVital } from './metrics.ts'

export const routeTable = (): string =>
  [
    '| request | answer |',
    '| --- | --- |',
    ...routes.map(({ method, path, meaning }) => `| \`${method} ${path}\` | ${meaning} |`),
  ].join('\n')

export const metricTable = (): string =>
  [
    '| metric | type | meaning |',
    '| --- | --- | --- |',
    ...Object.entries(derived).map(([name, { help }]) => `| \`lockstep_${name}\` | gauge | ${help} |`),
    ...Object.entries(measured).map(([name, { type, help }]) => `| \`lockstep_${name}\` | ${type} | ${help} |`),
    ...Object.entries(perVital).map(
      ([name, { help }]) => `| \`lockstep_${name}\` | gauge | ${help} (label \`vital\`) |`,
    ),
    '| `lockstep_role` | gauge | 1 for the role this server is in (label `role`) |',
  ].join('\n')
