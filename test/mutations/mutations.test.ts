// The mutation table stays in step with the code: every guard that it takes out is still there, word for word. And the
// four guards without which nothing holds are taken out here and now: the test that must notice does.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { faultsOf, type Mutant } from '../../scripts/mutations/mutant.ts'
import { tryLayer } from '../../scripts/mutations/layers.ts'
import { rowsIn } from '../../scripts/mutations/report.ts'
import { mutants } from '../../scripts/mutations/table.ts'
import { Workshop } from '../../scripts/mutations/workshop.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const source = (file: string): string => readFileSync(join(ROOT, 'src', file), 'utf8')

describe('the mutation table', () => {
  it('takes out what is in the code, once', () => {
    assert.deepEqual(
      mutants.flatMap(mutant => faultsOf(mutant, source)),
      [],
    )
  })

  it('has each id once, a row for each promise, and test files that exist', () => {
    const ids = mutants.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
    assert.ok(ids.length >= 25)
    for (let n = 1; n <= 10; n++)
      assert.ok(
        mutants.some(({ promise }) => promise === `P${n}`),
        `P${n} has no row`,
      )
    for (const { id, layers } of mutants) {
      assert.ok(layers.length > 0, `${id} has no layer`)
      for (const layer of layers)
        for (const file of 'files' in layer ? layer.files : [])
          assert.ok(existsSync(join(ROOT, 'test', `${file}.test.ts`)), `${id}: test/${file}.test.ts is not there`)
    }
  })

  it('is the table of docs/testing.md: the same guards in the same order, each caught', () => {
    const rows = rowsIn(readFileSync(join(ROOT, 'docs/testing.md'), 'utf8'))
    assert.deepEqual(
      [...rows.keys()],
      mutants.map(({ id }) => id),
    )
    for (const { id, promise, hidden } of mutants) {
      const [, , of, , by] = (rows.get(id) ?? '').split(' | ').join('| ').split('| ')
      assert.equal(of, promise, `${id} stands under another promise`)
      if (hidden !== undefined) assert.ok(by?.endsWith(hidden), `${id} does not say why no pair shows it`)
      assert.match(by ?? '', /^(unit|rules|simulation|exploration|drill): ./, `${id} is not caught by anything`)
    }
  })

  it('sees where the code has moved', () => {
    const mutant: Mutant = { id: 'x', promise: 'P1', breaks: '', layers: [], edits: [['a.ts', 'one', 'two']] }
    assert.deepEqual(
      faultsOf(mutant, () => 'one'),
      [],
    )
    assert.equal(faultsOf(mutant, () => 'one one').length, 1)
    assert.equal(faultsOf(mutant, () => 'two').length, 1)
  })
})

describe('without its guards the product is found out', function () {
  this.timeout(60_000)
  let shop: Workshop

  before(() => {
    shop = new Workshop(ROOT)
  })
  after(() => shop.remove())

  for (const id of ['ack-asks-lease', 'in-sync', 'epoch-followed', 'confirm-digest']) {
    const mutant = mutants.find(row => row.id === id) as Mutant
    it(`${id}: ${mutant.breaks}`, async () => {
      shop.put(mutant)
      const layer = mutant.layers.find(({ layer }) => layer === 'unit')
      assert.ok(layer)
      const { by, broken } = await tryLayer(shop, layer)
      assert.equal(broken, '')
      assert.notEqual(by, '', 'no test noticed')
    })
  }

  it('and is left as it was', () => {
    shop.restore()
    for (const [file] of mutants.flatMap(({ edits }) => edits)) assert.equal(shop.read(file), source(file))
  })
})
