// The lock protocol alone, on two machines at once over a real NFSv4.2 and a real SMB mount: processes on both fight for
// one lock, are slow, stall, get answers late and are killed. No two holds overlap on the driver's clock, and the numbers
// that the register gives grow with time. LAB_LOCK_SECONDS for each share and options (60).
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import * as machines from './machines.ts'
import { ACKS, PROGRAMS } from './machines.ts'
import { mount, shares, unmount, type Options } from './shares.ts'

const SECONDS = Number(process.env['LAB_LOCK_SECONDS'] ?? (process.env['LAB_SHORT'] === '1' ? 0 : 60))
/** Compiling the worker takes these machines seconds; a hold lasts up to one and a half of these. */
const LEASE_MS = 1500
const CLOCK_TOLERANCE_MS = 20
const PROCESSES = 3
const chosenShares = (process.env['LAB_SHARES'] ?? 'nfs,smb').toUpperCase().split(',')

interface Hold {
  readonly id: string
  readonly machine: 'A' | 'B'
  from: number
  to: number
  epoch: number
}

function readHolds(folder: string, offsets: Readonly<Record<'A' | 'B', number>>): Hold[] {
  const holds = new Map<string, Hold>()
  for (const name of readdirSync(folder)) {
    const machine = name.startsWith('a') ? 'A' : 'B'
    for (const line of readFileSync(`${folder}/${name}`, 'utf8').split('\n')) {
      const [kind, time, id = '', epoch] = line.split(' ')
      if (kind !== 'A') continue
      const at = Number(time) + offsets[machine]
      const hold = holds.get(id) ?? { id, machine, from: at, to: at, epoch: 0 }
      holds.set(id, { ...hold, from: Math.min(hold.from, at), to: Math.max(hold.to, at), epoch: Math.max(hold.epoch, Number(epoch)) }) // prettier-ignore
    }
  }
  return [...holds.values()].toSorted((a, b) => a.from - b.from)
}

if (SECONDS > 0)
  describe('lab: the lock on two machines', function () {
    this.timeout((SECONDS + 120) * 1000)
    before(() => machines.bootAll())

    for (const share of shares.filter(({ name }) => chosenShares.includes(name)))
      for (const options of ['recommended', 'default'] as Options[])
        it(`${share.name}, ${options} options: no two holds overlap, numbers grow`, async () => {
          const place = `${share.name}-lock-${options}`
          const folder = `${ACKS}/${place}`
          mkdirSync(folder)
          await machines.sh('G', `mkdir -p -m 0777 /srv/lock/${place}`)
          const offsets = { A: 0, B: 0 }
          const done = (['A', 'B'] as const).map(async machine => {
            await mount(machine, share, share.options[options], `/mnt/${place}`)
            offsets[machine] = await machines.clockOffset(machine)
            const end = machines.monotonic() + SECONDS * 1000 - offsets[machine]
            // Ends by SIGKILL, of its own will too; begun anew until the time is over.
            const worker = `${PROGRAMS}/lock-stress-worker.js`
            const loop = Array.from({ length: PROCESSES }, (_, i) => {
              const node = `${machine.toLowerCase()}${i}`
              return `(while [ $(cut -d. -f1 /proc/uptime) -lt ${Math.floor(end / 1000)} ]; do node ${worker} /mnt/${place}/${place}/LockFile ${folder}/${node} ${node} ${LEASE_MS} ${end} $RANDOM; done) 2>&1 &`
            })
            return machines.exec(machine, `${loop.join('\n')}\nwait`, (SECONDS + 60) * 1000)
          })
          const outcomes = await Promise.all(done)
          await Promise.all((['A', 'B'] as const).map(machine => unmount(machine, `/mnt/${place}`)))

          const holds = readHolds(folder, offsets)
          const overlaps = holds.flatMap((hold, i) => {
            const before = holds.slice(0, i).filter(other => hold.from < other.to - (other.machine === hold.machine ? 0 : CLOCK_TOLERANCE_MS)) // prettier-ignore
            return before.map(other => `${other.id} until ${other.to}, ${hold.id} from ${hold.from}`)
          })
          const numbered = holds.filter(hold => hold.epoch > 0)
          const moves = holds.filter((hold, i) => i > 0 && holds[i - 1]!.machine !== hold.machine).length
          console.log(`      ${holds.length} holds, ${moves} changes of machine, ${numbered.length} numbered, ${overlaps.length} overlaps`) // prettier-ignore
          assert.deepEqual(overlaps, [])
          for (const [i, hold] of numbered.entries())
            if (i > 0) assert.ok(hold.epoch > numbered[i - 1]!.epoch, `${hold.id} after ${numbered[i - 1]!.id}`)
          assert.ok(
            moves > 0,
            `the lock goes round: ${outcomes
              .map(({ stdout, stderr }) => stdout + stderr)
              .join('\n')
              .slice(-2000)}`,
          )
        })

    for (const share of shares.filter(({ name }) => chosenShares.includes(name)))
      it(`${share.name}: a record that was won is there after the gateway has lost its power at that moment`, async () => {
        const place = `${share.name}-power`
        await machines.sh('G', `mkdir -p -m 0777 /srv/lock/${place} && sync`)
        await mount('A', share, share.options.recommended, `/mnt/${place}`)
        const lockFile = `/mnt/${place}/${place}/LockFile`
        for (let number = 1; number <= 4; number++) {
          const outcome = await machines.sh('A', ['node', `${PROGRAMS}/append-worker.js`, lockFile, String(number)])
          await machines.crash('G')
          await machines.boot('G')
          assert.equal(outcome, 'won')
          assert.match(await machines.sh('G', `ls /srv/lock/${place}`), new RegExp(`LockFile\\.r0*${number}$`, 'm'))
          await machines.sh(
            'A',
            `for i in $(seq 100); do ls /mnt/${place}/${place} >/dev/null 2>&1 && exit 0; sleep 0.3; done; exit 1`,
          )
        }
        await unmount('A', `/mnt/${place}`)
      })
  })
