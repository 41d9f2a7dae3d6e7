// The ring of unsettled deliveries against a plain map, across the wrap of its numbers.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Unsettled } from '../../../src/protocols/amqp/unsettled.ts'

describe('AMQP unsettled deliveries', () => {
  it('behaves like a map from id to link and sequence', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('add' as const), gap: fc.oneof(fc.constant(0), fc.nat(200)), link: fc.nat(3), n: fc.integer({ min: 1, max: 40 }) }) }, // prettier-ignore
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant('take' as const), back: fc.nat(400), n: fc.nat(300), stays: fc.nat(9) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), link: fc.nat(3) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.constantFrom(0, 0xffffff00, 0x7fffff80), (steps, start) => {
        const links = [{ l: 0 }, { l: 1 }, { l: 2 }, { l: 3 }]
        const ring = new Unsettled<{ l: number }>(128)
        const model = new Map<number, { link: { l: number }; sequence: number }>()
        let next = start
        let sequence = 0
        for (const s of steps) {
          if (s.do === 'add') {
            next = (next + s.gap) >>> 0
            for (let i = 0; i < s.n; i++) {
              ring.add(next, links[s.link]!, ++sequence)
              model.set(next, { link: links[s.link]!, sequence })
              next = (next + 1) >>> 0
            }
          } else if (s.do === 'take') {
            const first = (next - s.back) >>> 0
            const last = (first + s.n) >>> 0
            const taken = new Map<number, number>()
            const stays = (id: number) => s.stays > 0 && id % s.stays === 0
            ring.takeRange(first, last, {
              settleOne(id, link, seq) {
                assert.equal(model.get(id)?.link, link)
                taken.set(id, seq)
                if (stays(id)) ring.putBack(id, link, seq)
              },
            })
            for (const [id, entry] of model) {
              if ((id - first) >>> 0 > (last - first) >>> 0) continue
              assert.equal(taken.get(id), entry.sequence)
              taken.delete(id)
              if (!stays(id)) model.delete(id)
            }
            assert.equal(taken.size, 0)
          } else {
            ring.dropLink(links[s.link]!)
            for (const [id, entry] of model) if (entry.link === links[s.link]) model.delete(id)
          }
          assert.equal(ring.count, model.size)
        }
      }),
      { seed: 5, numRuns: 500 },
    )
  })

  it('does not walk through a range, nor through ids that were never unsettled', () => {
    const ring = new Unsettled<object>(1024)
    const link = {}
    let settled = 0
    const sink = { settleOne: () => void settled++ }
    ring.add(0, link, 1)
    ring.add(0x7000_0000, link, 2)
    for (let i = 0; i < 100_000; i++) ring.takeRange(1, 0x6fff_ffff, sink)
    assert.equal(settled, 0)
    ring.takeRange(0, 0x7fff_ffff, sink)
    assert.equal(settled, 2)
    assert.equal(ring.count, 0)
  })
})
