// Every promise of the product has its witnesses: docs/promises.md names them, and here it is held to its word.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './sources.ts'

const PROMISES = 10

interface Witness {
  readonly promise: string
  readonly file: string
  readonly title: string
}

const document = readFileSync(join(ROOT, 'docs/promises.md'), 'utf8')

function witnesses(text: string): Witness[] {
  return text.split(/^## /m).flatMap(part => {
    const promise = /^P\d+/.exec(part)?.[0] ?? ''
    return [...part.matchAll(/^- `(test\/[^`]+)`: (.+)$/gm)].map(([, file = '', title = '']) => ({
      promise,
      file,
      title,
    }))
  })
}

/** The title as it stands in a describe, an it, or a table of cases. */
const stands = (text: string, title: string): boolean =>
  ["'", '"', '`'].some(quote => text.includes(`${quote}${title}${quote}`))

describe('house: promises', () => {
  const found = witnesses(document)

  it('are all there, each with witnesses', () => {
    for (let n = 1; n <= PROMISES; n++)
      assert.ok(found.filter(w => w.promise === `P${n}`).length >= 2, `P${n} has too few witnesses in docs/promises.md`)
    assert.equal((document.match(/^## P\d+ /gm) ?? []).length, PROMISES)
  })

  for (const { promise, file, title } of found)
    it(`${promise}: ${file}: ${title}`, () => {
      assert.ok(existsSync(join(ROOT, file)), `docs/promises.md names ${file}, which is not there`)
      const text = readFileSync(join(ROOT, file), 'utf8')
      assert.ok(stands(text, title), `${file} has nothing called "${title}"`)
    })

  it('a witness that is gone would be missed', () => {
    const [only] = witnesses('## P1 x\n\n- `test/a.test.ts`: never twice\n')
    assert.deepEqual(only, { promise: 'P1', file: 'test/a.test.ts', title: 'never twice' })
    assert.ok(!stands("it('never', () => {})", 'never twice'))
  })
})
