// The doctor on real mounts, good ones and deliberately bad ones: it names each fault that was planted and no other, says
// what to do, and refuses nothing that is good. `--docs` puts what was named into docs/lab.md.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from '../src/doctor/finding.ts'
import { keepRows } from '../test/support/kept-rows.ts'
import { ADDRESS, bootAll, exec, OUT, PROGRAMS, REPO, sh, type Machine } from './machines.ts'
import { AT, FOLDER, onOneHost, onTwoHosts, type Planted, type PlantedBetween } from './planted.ts'
import { mount, unmount, type Share } from './shares.ts'

const isShort = process.env['LAB_SHORT'] === '1'
const only = process.env['LAB_FAULTS']
/** Bad mounts are judged quickly, where nothing can be tried on them. */
const SHORT = /^(NFSv3 without|SMB without byte)/
const chosen = ({ name }: { readonly name: string }): boolean =>
  only ? new RegExp(only).test(name) : !isShort || SHORT.test(name)
const PORT = 7150

/** What these machines are told besides: they are slow, nothing keeps their clocks, and no server runs on the other one. */
const ALWAYS =
  /^(PEER-DOWN|CLOCK-NO-SYNC|CLOCK-COARSE|STALLS-LONG|DISK-SLOW|INTERVALS-SHORT|SPACE-SHORT|NOT-MET|EXCLUSION-NOBODY|VISIBILITY-SLOW|OPERATIONS-SLOW)$/

interface Named {
  readonly code: string
  readonly severity: string
  readonly remedy: string
}

function profile(machine: 'A' | 'B', share: Share, keys: Readonly<Record<string, unknown>> = {}): string {
  const folder = `${OUT}/doctor/${machine}`
  mkdirSync(`${folder}/data`, { recursive: true })
  for (const place of [`${OUT}/doctor`, folder, `${folder}/data`]) chmodSync(place, 0o777)
  const [mine, theirs] = machine === 'A' ? [ADDRESS.A, ADDRESS.B] : [ADDRESS.B, ADDRESS.A]
  const all = {
    server: machine === 'A' ? 'primary' : 'secondary',
    kind: 'FES',
    host: mine,
    port: PORT,
    backupHAIPAddress: theirs,
    backupHAPort: PORT,
    backupServerIp: theirs,
    backupServerPort: 5772,
    rmiServerPort: 8150,
    backupRMIServerPort: 8150,
    lockFile: `${AT}/doctor/LockFile`,
    gatewayServerIPAddress: ADDRESS.G,
    gatewayServerPort: share.port,
    pingInterval: 1000,
    activeLockReacquisitionInterval: 1000,
    passiveLockAcquisitionInterval: 6000,
    dataDirectory: `${folder}/data`,
    listeners: { amqp: { host: mine, port: 5772 } },
    security: { pairSecret: 'the secret of the lab' },
    ...keys,
  }
  writeFileSync(`${folder}/profile.yaml`, JSON.stringify(all))
  return folder
}

async function ask(machine: Machine, folder: string, user: number | undefined, ...more: string[]): Promise<Finding[]> {
  const as = user === undefined ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups']
  const { code, stdout, stderr } = await exec(
    machine,
    [...as, 'node', `${PROGRAMS}/main.js`, 'doctor', folder, '--json', ...more],
    240_000,
  )
  assert.ok(stdout.startsWith('{'), stdout + stderr)
  const { fit, findings } = JSON.parse(stdout) as { fit: boolean; findings: Finding[] }
  assert.equal(code, fit ? 0 : 1)
  return findings
}

const named = (findings: readonly Finding[]): Named[] => {
  const bad = findings.filter(f => f.severity !== 'ok').map(f => ({ ...f, code: f.code.replace('DOCTOR-', '') }))
  return bad.filter((f, i) => bad.findIndex(other => other.code === f.code) === i)
}

const rows = new Map<string, (string | null)[]>()

/** Names all that was planted, and nothing else but what these machines are always told. Gives what notes the row. */
function judge({ name, says }: Planted | PlantedBetween, findings: readonly Finding[]): () => void {
  const all = named(findings)
  const wanted = all.filter(({ code }) => says.includes(code))
  const shown = wanted.map(({ code, severity }) => `\`DOCTOR-${code}\` (${severity})`).join(', ')
  console.log(`      ${shown || 'nothing'}; besides: ${all.filter(f => !wanted.includes(f)).map(f => f.code).join(' ')}`) // prettier-ignore
  assert.deepEqual(all.map(({ code }) => code).filter(code => !ALWAYS.test(code) || says.includes(code)).toSorted(), says.toSorted()) // prettier-ignore
  for (const { code, remedy } of wanted) assert.ok(remedy !== '' && !remedy.includes('{'), `${code}: ${remedy}`)
  const fitness = findings.some(f => f.severity === 'refuse') ? 'refused' : 'fit'
  assert.equal(fitness === 'refused', wanted.some(({ severity }) => severity === 'refuse'), 'what is good is not refused') // prettier-ignore
  return () => void rows.set(name, [shown || 'nothing', fitness, new Date().toISOString().slice(0, 10)])
}

describe('lab: the doctor', function () {
  this.timeout(400_000)
  before(async () => {
    await bootAll()
    await sh('G', `mkdir -p ${FOLDER}; chmod 0777 ${FOLDER}`)
  })
  // After each of them: a long run that is broken off has not run in vain.
  afterEach(() => {
    const order = [...onOneHost, ...onTwoHosts].map(({ name }) => name)
    const head = ['planted', 'named by the doctor', 'judged', 'run on']
    if (process.env['LAB_DOCS'] === '1') keepRows(join(REPO, 'docs', 'lab.md'), 'doctor', head, order, rows)
  })

  for (const planted of onOneHost.filter(chosen))
    it(planted.name, async () => {
      const { share, options, type = share.type, source = share.source } = planted
      const folder = profile('A', share, planted.keys)
      let over = false
      let note = (): void => {}
      let meanwhile: Promise<unknown> | undefined
      try {
        await planted.before?.()
        if (options !== null) await mount('A', { ...share, type, source }, options, AT)
        await planted.after?.()
        meanwhile = planted.meanwhile?.(() => over)
        note = judge(planted, await ask('A', folder, planted.user))
      } finally {
        over = true
        await meanwhile
        await planted.undo?.()
        await unmount('A', AT)
      }
      assert.equal(await sh('G', `ls -A ${FOLDER}`), '', 'nothing is left behind')
      note()
    })

  for (const planted of onTwoHosts.filter(chosen))
    it(`${planted.name} (two doctors)`, async () => {
      const { share } = planted
      const [a, b] = [profile('A', share), profile('B', share, planted.keysOfB)]
      let note = (): void => {}
      try {
        await planted.before?.()
        for (const machine of ['A', 'B'] as const) await mount(machine, share, share.options.recommended, AT)
        await planted.after?.()
        const both = ['--with-peer', '--wait', '90']
        const [findings, ofB] = await Promise.all([ask('A', a, undefined, ...both), ask('B', b, planted.userOfB, ...both)]) // prettier-ignore
        note = judge(planted, findings)
        const met = (of: readonly Finding[]): boolean => of.some(({ code }) => code === 'DOCTOR-MET')
        const apart = planted.says.includes('NOT-SAME-FOLDER')
        assert.deepEqual([met(findings), met(ofB)], [!apart, !apart])
        if (!apart) {
          const across = findings.filter(f => String(f.details['contenders']).includes('each host'))
          assert.deepEqual(across.map(f => f.code.replace('-NOBODY', '')), Array(4).fill('DOCTOR-EXCLUSION')) // prettier-ignore
        }
      } finally {
        await planted.undo?.()
        for (const machine of ['A', 'B'] as const) await unmount(machine, AT)
      }
      assert.equal(await sh('G', `ls -A ${FOLDER}`), '', 'nothing is left behind')
      note()
    })
})
