// Shows features on one pair of real processes: each straight through, then all of them with one kill -9 of the active broker
// between their halves. What a feature's first half finds wrong fails its own test only.

import assert from 'node:assert/strict'
import { checkAcks } from '../support/drill.ts'
import type { Feature, FeatureList } from './feature.ts'
import { Ground } from './ground.ts'
import { FeaturePair, type SetsOf } from './pair.ts'

const HALF_MS = 30_000

interface Begun {
  readonly ground: Ground
  readonly second: () => Promise<void>
}

export function show(title: string, lists: readonly FeatureList[], sets: SetsOf = {}): void {
  const features = lists.flatMap(list => list.features)

  describe(title, function () {
    this.timeout(2 * HALF_MS)
    let pair: FeaturePair
    const grounds: Ground[] = []
    const groundOf = (run: 'straight' | 'across'): Ground => {
      const ground = new Ground(pair, run)
      grounds.push(ground)
      return ground
    }
    before(async () => {
      pair = await FeaturePair.make(sets)
    })
    let failed = false
    afterEach(function () {
      failed ||= this.currentTest?.state === 'failed'
    })
    after(async () => {
      // Clients of a feature whose second half never ran, or never ended, would come back for ever.
      for (const ground of grounds) ground.end()
      if (failed) console.log(pair.drill.logs().split('\n').slice(-60).join('\n'))
      await pair?.end()
    })
    const canShow = (feature: Feature): boolean => feature.needs === undefined || pair.certificates !== null

    describe('straight through', () => {
      for (const feature of features)
        it(feature.name, async function () {
          if (!canShow(feature)) this.skip()
          const ground = groundOf('straight')
          try {
            const second = await feature.begin(ground)
            await second()
          } finally {
            ground.end()
          }
        })
    })

    describe('across a kill -9 of the active broker', () => {
      const begun = new Map<Feature, Promise<Begun>>()

      before(async () => {
        for (const feature of features.filter(canShow)) begun.set(feature, begin(feature, groundOf('across')))
        const halves = await Promise.allSettled(begun.values())
        for (const half of halves) if (half.status === 'fulfilled') half.value.ground.expectBreak()
        await pair.failover()
      })

      for (const feature of features)
        it(feature.name, async function () {
          if (!canShow(feature)) this.skip()
          const { ground, second } = await (begun.get(feature) as Promise<Begun>)
          try {
            await ground.back()
            await second()
          } finally {
            ground.end()
          }
        })

      it('the killed server is back and follows; nothing was acknowledged by two servers', async () => {
        await pair.standby()
        assert.deepEqual(checkAcks(pair.drill.acks()), [])
      })
    })
  })
}

async function begin(feature: Feature, ground: Ground): Promise<Begun> {
  let limit: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    limit = setTimeout(() => reject(new Error(`${feature.name}: no end of its first half`)), HALF_MS)
  })
  try {
    return { ground, second: await Promise.race([feature.begin(ground), late]) }
  } catch (error) {
    ground.end()
    throw error
  } finally {
    clearTimeout(limit)
  }
}
