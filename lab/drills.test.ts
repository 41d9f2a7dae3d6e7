// The drills of the lab: the pair on two machines over a real NFSv4.2 and a real SMB mount, a stock client on a third, and
// every fault in turn. No acknowledged message is missing, never two servers serve, and the pair comes back to ACTIVE and
// PASSIVE by itself. Each drill is accounted message by message; at the end a table of the times without service, which
// `--docs` puts into docs/lab.md.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { LoadClient, other, type Label } from '../test/support/drill.ts'
import { faults } from './faults.ts'
import * as machines from './machines.ts'
import { LabPair, LEASE_MS, PING_MS, RENEW_MS } from './pair.ts'
import { shares, type Options } from './shares.ts'
import { TimesWithoutService } from '../test/support/times.ts'

const isShort = process.env['LAB_SHORT'] === '1'
const rounds = Number(process.env['LAB_ROUNDS'] ?? (isShort ? 1 : 3))
const chosenShares = (process.env['LAB_SHARES'] ?? 'nfs,smb').toUpperCase().split(',')
const chosenOptions = (process.env['LAB_OPTIONS'] ?? (isShort ? 'recommended' : 'recommended,default')).split(',')
const only = process.env['LAB_DRILLS']
const chosenFaults = faults.filter(fault => (only ? new RegExp(only).test(fault.name) : !isShort || fault.short))
const times = new TimesWithoutService(
  faults.map(fault => fault.name),
  ['NFS', 'SMB'],
)
/** From healing to ACTIVE and PASSIVE: connections that wait in the kernel, a boot, a synchronization. */
const SETTLE_MS = 120_000

describe('lab: drills', function () {
  this.timeout(400_000)

  before(async () => {
    const began = machines.monotonic()
    await machines.bootAll()
    console.log(`    three machines up in ${((machines.monotonic() - began) / 1000).toFixed(1)} s;`,
      `pingInterval ${PING_MS}, activeLockReacquisitionInterval ${RENEW_MS}, passiveLockAcquisitionInterval ${LEASE_MS} ms`) // prettier-ignore
  })

  for (const share of shares.filter(({ name }) => chosenShares.includes(name)))
    for (const options of chosenOptions as Options[])
      describe(`${share.name}, ${options} options (${share.options[options]})`, () => {
        const pair = new LabPair(share, options)
        let client: LoadClient
        let held: LoadClient
        let active: Label
        let isBroken = false

        before(async () => {
          await pair.make()
          await pair.start('primary')
          await pair.start('secondary')
          try {
            active = await pair.settled(60_000)
          } catch (error) {
            console.log(await pair.story())
            throw error
          }
          client = new LoadClient(pair, { rate: 80, window: 50, idleMs: 1000 })
          await client.started()
          held = new LoadClient(pair, { queue: 'held', rate: 5, window: 50, idleMs: 1000, held: true })
          await held.started()
          await client.progress(100)
        })

        for (let round = 1; round <= rounds; round++)
          for (const fault of chosenFaults)
            it(`${fault.name}${rounds > 1 ? ` (${round})` : ''}`, async function () {
              if (isBroken) this.skip()
              isBroken = true
              try {
                await client.forgetGaps()
                await fault.hurt(pair, active)
                if (!fault.outage) await client.progress(50)
                machines.healNetwork()
                await fault.heal?.(pair, active)
                if (fault.ends) {
                  const label = fault.ends === 'active' ? active : other(active)
                  await pair.ended(label)
                  await pair.start(label)
                }
                active = await pair.settled(SETTLE_MS)
                const { longest } = await client.progress(100)
                const account = await client.account()
                const { acked, missing, twice } = account
                // The table is of the options that are recommended.
                if (options === 'recommended') times.add(share.name, fault.name, longest, account)
                console.log(
                  `      ${longest.toFixed(0)} ms without service; ${acked} acknowledged, ${missing} missing, ${twice} twice:`,
                )
                assert.equal(missing, 0)
                assert.deepEqual(pair.checkAcks(), [])
                isBroken = false
                assert.ok(longest < fault.withinMs, `nothing was acknowledged for ${longest.toFixed(0)} ms`)
              } catch (error) {
                if (isBroken) console.log(await pair.story())
                throw error
              }
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
            assert.ok(report.acked > 0, 'nothing was sent')
            assert.equal(report.missing, 0)
            assert.equal(report.unacked, 0)
          }
          console.log(`      ${pair.acknowledgements} acknowledgements checked for overlap`)
          assert.deepEqual(pair.checkAcks(), [])
        })

        after(async () => {
          machines.healNetwork()
          await client?.end()
          await held?.end()
          await pair.end()
        })
      })

  afterEach(() => {
    if (process.env['LAB_DOCS'] === '1') times.keep(join(machines.REPO, 'docs', 'lab.md'), 'lab')
  })
  after(() => console.log(times.table()))
})
