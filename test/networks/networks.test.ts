// Drills over real networks: primary, secondary, gateway and client on hosts of their own, each link cut, cut one way, half
// open or slow, in turn. No acknowledged message is missing, never two servers serve, and the pair comes back by itself.
// A short round always; all of it by `npm run test:networks` (NETWORKS=all, NETWORKS_ROUNDS, NETWORKS_ONLY names
// some, NETWORKS_DOCS=1 renews their rows in docs/lab.md).
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { TimesWithoutService } from '../support/times.ts'
import { checkAcks, LoadClient, other, type Label } from '../support/drill.ts'
import { faults, pause } from './faults.ts'
import { NetworkPair, whyNot } from './pair.ts'

const only = process.env['NETWORKS_ONLY']
const rounds = Number(process.env['NETWORKS_ROUNDS'] ?? 1)
const isLong = process.env['NETWORKS'] === 'all' || only !== undefined
const chosen = faults.filter(fault => (only ? new RegExp(only).test(fault.name) : isLong || fault.short))
const times = new TimesWithoutService(
  faults.map(fault => fault.name),
  ['real networks'],
)
const SETTLE_MS = 60_000

describe('drills over real networks', function () {
  this.timeout(180_000)
  const obstacle = whyNot()
  let pair: NetworkPair
  let client: LoadClient
  let held: LoadClient
  let active: Label

  before(async function () {
    if (obstacle !== null) console.log(`    skipped: no hosts of their own can be made here: ${obstacle}`)
    if (obstacle !== null) this.skip()
    pair = await NetworkPair.make()
    pair.start('primary')
    pair.start('secondary')
    active = await pair.settled(SETTLE_MS)
    client = new LoadClient(pair, { rate: 1000, window: 200, idleMs: 1000, within: pair.clientWithin })
    await client.started()
    held = new LoadClient(pair, {
      queue: 'held',
      rate: 50,
      window: 50,
      idleMs: 1000,
      held: true,
      within: pair.clientWithin,
    })
    await held.started()
    await client.progress(500)
  })

  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.log(pair.logs())
  })

  for (let round = 1; round <= rounds; round++)
    for (const fault of chosen)
      it(`${fault.name}${rounds > 1 ? ` (${round})` : ''}`, async () => {
        await client.forgetGaps()
        fault.hurt(pair.network, active, other(active))
        await fault.also?.(pair, active)
        await pause(fault.forMs)
        if (!fault.outage) await client.progress(100)
        pair.network.heal()
        const was = active
        active = await pair.settled(SETTLE_MS)
        const { longest } = await client.progress(300)
        const account = await client.account()
        times.add('real networks', fault.name, longest, account)
        assert.equal(account.missing, 0)
        assert.deepEqual(checkAcks(pair.acks()), [])
        if (fault.stays) assert.equal(active, was, 'the other server took over')
        assert.ok(longest < fault.withinMs, `nothing was acknowledged for ${longest.toFixed(0)} ms`)
      })

  it('lost nothing that was acknowledged', async () => {
    for (const [what, of] of [
      ['received at once', client],
      ['held to the end', held],
    ] as const) {
      const report = await of.drain()
      console.log(
        `      ${what}: ${report.acked} acknowledged, ${report.missing} missing, ${report.duplicates} came twice`,
      )
      assert.equal(report.missing, 0)
      assert.equal(report.unacked, 0)
    }
    assert.deepEqual(checkAcks(pair.acks()), [])
  })

  after(async () => {
    if (isLong) console.log(times.table())
    if (process.env['NETWORKS_DOCS'] === '1')
      times.keep(fileURLToPath(new URL('../../docs/lab.md', import.meta.url)), 'networks')
    await client?.end()
    await held?.end()
    await pair?.end()
  })
})
