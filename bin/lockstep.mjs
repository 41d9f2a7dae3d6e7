#!/usr/bin/env node
// The command as npm knows it. npx looks once whether the file of a command is there, and makes it executable once: what a
// build makes anew each time would be "not found" or "Permission denied" from then on.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const main = new URL('../dist/cli/main.js', import.meta.url)
if (existsSync(main)) await import(main.href)
else {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  process.stderr.write(`lockstep: not built yet. First: npm run build, in ${folder}\n`)
  process.exitCode = 1
}
