// npm run docs: prints the tables of the code into docs/. See doc-sections.ts.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { docSections, renew } from './doc-sections.ts'

for (const { file, marker, text } of docSections) {
  const path = fileURLToPath(new URL(`../docs/${file}`, import.meta.url))
  const before = readFileSync(path, 'utf8')
  const after = renew(before, marker, await text())
  if (after === null) {
    console.error(
      `docs/${file} has no place for "${marker}": put <!-- printed: ${marker} --> and <!-- end: ${marker} --> there`,
    )
    process.exitCode = 1
  } else if (after !== before) {
    writeFileSync(path, after)
    console.log(`docs/${file}: ${marker} printed`)
  }
}
