// The printed parts of docs/ say what the code says.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { docSections, renew } from '../scripts/doc-sections.ts'

describe('docs', () => {
  for (const { file, marker, text } of docSections)
    it(`docs/${file}: ${marker} is in step with the code (else: npm run docs)`, async () => {
      const document = readFileSync(fileURLToPath(new URL(`../docs/${file}`, import.meta.url)), 'utf8')
      assert.equal(document, renew(document, marker, await text()))
    })

  it('renews only what stands between its marks', () => {
    const document = 'a\n<!-- printed: x -->\nold\n<!-- end: x -->\nb\n'
    assert.equal(renew(document, 'x', 'new'), 'a\n<!-- printed: x -->\nnew\n<!-- end: x -->\nb\n')
    assert.equal(renew(document, 'y', 'new'), null)
  })
})
