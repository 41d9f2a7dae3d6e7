// Real processes, a stock client with both addresses, and every fault in turn: no acknowledged message is missing, never
// two servers serve, and the pair comes back to ACTIVE and PASSIVE. DRILL_ROUNDS repeats them, DRILL_ONLY names one.
import assert from 'node:assert/strict'
import { checkAcks, Drill, LoadClient, other, type Label } from '../support/drill.ts'
import { faults } from './faults.ts'
import { patient } from '../support/patience.ts'

const rounds = Number(process.env['DRILL_ROUNDS'] ?? 1)
const only = process.env['DRILL_ONLY']

describe('drills with real processes', function () {
  this.timeout(400_000)
  let drill: Drill
  let client: LoadClient
  let active: Label

  before(async () => {
    drill = await Drill.make()
    drill.start('primary')
    drill.start('secondary')
    active = await drill.settled()
    client = new LoadClient(drill, { rate: 2500 })
    await client.started()
    await client.progress(2000)
  })

  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return
    console.log(drill.logs().split('\n').slice(-150).join('\n'))
    console.log(await drill.describe())
  })

  for (let round = 1; round <= rounds; round++)
    for (const fault of faults.filter(f => !only || new RegExp(only).test(f.name)))
      it(`${fault.name}${rounds > 1 ? ` (${round})` : ''}`, async () => {
        await client.forgetGaps()
        await fault.hurt(drill, active)
        if (!fault.outage) await client.progress(200)
        await fault.heal?.(drill, active)
        if (fault.ends) {
          const label = fault.ends === 'active' ? active : other(active)
          const ended = drill.server(label)
          await ended.exit
          drill.start(label)
          // A broker whose keeper was killed may still say that it is active.
          await ended.gone
        }
        active = await drill.settled()
        const { longest } = await client.progress(500)
        assert.ok(longest < patient(fault.withinMs), `nothing was acknowledged for ${longest.toFixed(0)} ms`)
        assert.deepEqual(checkAcks(drill.acks()), [])
      })

  it('lost nothing that was acknowledged', async () => {
    const report = await client.drain()
    assert.equal(report.missing, 0)
    assert.equal(report.unacked, 0)
    assert.ok(report.acked > 5000 || only, `${report.acked} acknowledged`)
    assert.deepEqual(checkAcks(drill.acks()), [])
  })

  after(async () => {
    await client?.end()
    await drill?.end()
  })
})
