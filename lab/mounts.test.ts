// Wrong mounts on a real client: `lockstep start` refuses those that make the lock worthless, before it writes anything,
// and warns of the ones that are only slow. What the doctor says of them is in doctor.test.ts.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import * as machines from './machines.ts'
import { OUT } from './machines.ts'
import { serveNfs3 } from './planted.ts'
import { mount, shares, unmount } from './shares.ts'

const [nfs, smb] = shares as [(typeof shares)[0], (typeof shares)[0]]
const isShort = process.env['LAB_SHORT'] === '1'

interface WrongMount {
  readonly share: (typeof shares)[0]
  readonly options: string
  readonly says: string
  /** A warning only. */
  readonly starts?: true
  readonly type?: string
  readonly source?: string
  /** On the gateway, before; and on the server. */
  readonly prepare?: () => Promise<unknown>
  readonly prepareServer?: string
}

const NFS3 = { share: nfs, type: 'nfs', source: 'gateway:/srv/lock', prepare: serveNfs3 }
const RECOMMENDED_NFS = nfs.options.recommended
const RECOMMENDED_SMB = smb.options.recommended

// prettier-ignore
const wrongMounts: readonly WrongMount[] = [
  { ...NFS3, options: 'vers=3,nolock,soft,noac,lookupcache=none', says: 'DOCTOR-MOUNT-NOLOCK' },
  { ...NFS3, prepareServer: 'pgrep rpc.statd || { rpcbind -w; rpc.statd --no-notify; }', options: 'vers=3,local_lock=all,soft,noac,lookupcache=none', says: 'DOCTOR-MOUNT-LOCAL-LOCK' },
  { ...NFS3, options: 'vers=3,nolock,soft,noac,lookupcache=none', says: 'DOCTOR-MOUNT-NFS3' },
  { share: nfs, options: `${RECOMMENDED_NFS},ro`, says: 'DOCTOR-MOUNT-READ-ONLY' },
  { share: nfs, options: 'vers=4.2', says: 'DOCTOR-MOUNT-HARD', starts: true },
  { share: nfs, options: 'vers=4.2,softerr,timeo=10,retrans=1', says: 'DOCTOR-MOUNT-NFS-CACHED', starts: true },
  { share: smb, options: `${RECOMMENDED_SMB},nobrl`, says: 'DOCTOR-MOUNT-NOBRL' },
  { share: smb, options: `${RECOMMENDED_SMB},ro`, says: 'DOCTOR-MOUNT-READ-ONLY' },
  { share: smb, options: `${RECOMMENDED_SMB},cache=loose`, says: 'DOCTOR-MOUNT-SMB-LOOSE' },
  { share: smb, options: `${RECOMMENDED_SMB},nostrictsync`, says: 'DOCTOR-MOUNT-SMB-NO-SYNC' },
  { share: smb, options: 'guest,vers=2.1,soft,echo_interval=1,actimeo=0', says: 'DOCTOR-MOUNT-SMB2', starts: true },
  { share: smb, options: 'guest', says: 'DOCTOR-MOUNT-SMB-CACHED', starts: true },
  { share: smb, options: 'guest,vers=3.1.1,soft,actimeo=0', says: 'DOCTOR-MOUNT-SMB-ECHO', starts: true },
]

const chosen = wrongMounts.filter((_, i) => !isShort || i % 5 === 3)

describe('lab: wrong mounts', function () {
  this.timeout(180_000)
  const at = '/mnt/wrong'
  const profile = `${OUT}/wrong`
  const main = `${machines.PROGRAMS}/main.js`

  before(async () => {
    await machines.bootAll()
    await machines.sh('G', 'mkdir -p -m 0777 /srv/lock/wrong')
    mkdirSync(profile, { recursive: true })
  })

  afterEach(async () => {
    await unmount('A', at)
  })

  for (const [n, { share, options, says, starts, type, source, prepare, prepareServer }] of chosen.entries())
    it(`${says}: ${type ?? share.type} with ${options}${starts ? ' (warned)' : ' (refused)'}`, async () => {
      await prepare?.()
      if (prepareServer !== undefined) await machines.sh('A', prepareServer)
      await mount('A', { ...share, type: type ?? share.type, source: source ?? share.source }, options, at)
      const keys = {
        server: 'primary',
        kind: 'FES',
        host: machines.ADDRESS.A,
        port: 7150,
        backupHAIPAddress: machines.ADDRESS.B,
        backupHAPort: 7150,
        backupServerIp: machines.ADDRESS.B,
        backupServerPort: 5772,
        rmiServerPort: 8150,
        backupRMIServerPort: 8150,
        lockFile: `${at}/wrong/LockFile`,
        gatewayServerIPAddress: machines.ADDRESS.G,
        gatewayServerPort: share.port,
        pingInterval: 1000,
        activeLockReacquisitionInterval: 1000,
        passiveLockAcquisitionInterval: 6000,
        dataDirectory: `${profile}/data`,
        listeners: { amqp: { host: machines.ADDRESS.A, port: 5772 } },
        security: { pairSecret: 'the secret of the lab' },
      }
      writeFileSync(`${profile}/profile.yaml`, JSON.stringify(keys))

      // One that starts is ended when it has said so; one that does not ends by itself.
      const log = `wrong-${n}.log`
      const pid = await machines.start('A', ['node', main, 'start', profile], log)
      const told = (): string => readFileSync(`${OUT}/${log}`, 'utf8')
      const isThere = async (): Promise<boolean> => (await machines.exec('A', ['pgrep', '-s', String(pid)])).code === 0
      const limit = machines.monotonic() + 90_000
      while (!/switched to WAITING/.test(told()) && (await isThere()) && machines.monotonic() < limit) await sleep(200)
      const isStarted = /switched to WAITING/.test(told())
      await machines.exec('A', ['pkill', '-KILL', '-s', String(pid)])
      assert.match(told(), new RegExp(`\\b${starts ? says : 'DOCTOR-MOUNT-'}`))
      assert.equal(isStarted, starts === true, told())
      if (!starts) assert.equal(await machines.sh('G', "ls /srv/lock/wrong | grep -v '^doctor' || true"), '')
      await machines.sh('G', 'rm -rf /srv/lock/wrong/* /srv/lock/wrong/.??*')
    })
})
