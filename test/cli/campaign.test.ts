// A campaign of seeds goes on where it was stopped: what was given out and not answered comes again, nothing else does.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Campaign } from '../../src/cli/campaign.ts'
import { lockstep, PRODUCT } from './run.ts'

const answer = (seed: string, violation = ''): Parameters<Campaign['answered']>[0] => ({
  seed,
  violation,
  simulatedMs: 30_000,
  givenUp: false,
})

describe('a campaign of seeds', () => {
  it('gives out again exactly what was not answered, whatever the order of the answers', () => {
    const first = Campaign.fresh('ab')
    for (let n = 1; n <= 5; n++) assert.equal(first.give(10), `ab-${n}`)
    for (const n of [5, 2, 4]) first.answered(answer(`ab-${n}`))
    const state = JSON.parse(JSON.stringify(first.state())) as ReturnType<Campaign['state']>
    const second = new Campaign(state)
    assert.deepEqual([second.give(10), second.give(10), second.give(10)], ['ab-1', 'ab-3', 'ab-6'])
    second.answered(answer('ab-3'))
    assert.deepEqual(second.state().open, [1, 6])
    assert.equal(second.done, 4)
    assert.equal(second.pairMinutes, 2)
  })

  it('keeps what a life before had not given out again yet, and ends at its goal', () => {
    const state = { base: 'ab', next: 4, open: [1, 2], done: 1, pairMinutes: 1, givenUp: 0, failed: ['ab-3'] }
    const campaign = new Campaign(state)
    assert.equal(campaign.give(4), 'ab-1')
    assert.deepEqual(campaign.state().open, [1, 2])
    assert.deepEqual([campaign.give(4), campaign.give(4), campaign.give(4)], ['ab-2', 'ab-4', null])
    campaign.answered(answer('ab-4', 'P2: lost'))
    assert.deepEqual(campaign.failed, ['ab-3', 'ab-4'])
  })

  it('has not passed where a process that runs seeds ends by itself', async function () {
    this.timeout(60_000)
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-campaign-'))
    try {
      const file = join(folder, 'end.mjs')
      writeFileSync(file, "if (process.argv[1].includes('simulate-worker')) process.exit(7)")
      const env = { NODE_OPTIONS: `--import ${file}` }
      const { code, out, err } = await lockstep(['simulate', '--seeds', '3', '--jobs', '1'], PRODUCT, env)
      assert.equal(code, 1)
      assert.doesNotMatch(out, /No violation/)
      assert.match(err, /^CLI-WORKER: .*\(exit code 7\).* \w+-1 \w+-2\./)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
