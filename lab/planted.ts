// Faults that the lab plants on real mounts and machines, as data, and what the doctor must call each. Those of one host are
// looked at from A; those of two hosts by both doctors at once.
import { setTimeout as sleep } from 'node:timers/promises'
import * as machines from './machines.ts'
import { shares, type Share } from './shares.ts'

const [nfs, smb] = shares as [Share, Share]
const NFS = nfs.options.recommended
const SMB = smb.options.recommended
/** A user that owns nothing here. */
const STRANGER = 1234
export const AT = '/mnt/doctor'
export const FOLDER = '/srv/lock/doctor'

export interface Planted {
  readonly name: string
  readonly share: Share
  /** Null: nothing is mounted. */
  readonly options: string | null
  readonly type?: string
  readonly source?: string
  /** Done before the mount, after it, and what undoes it; commands for a machine. */
  readonly before?: () => Promise<unknown>
  readonly after?: () => Promise<unknown>
  /** While the doctor is at work. */
  readonly meanwhile?: (over: () => boolean) => Promise<unknown>
  readonly undo?: () => Promise<unknown>
  readonly user?: number
  /** Keys of the profile. */
  readonly keys?: Readonly<Record<string, unknown>>
  /** Exactly these are named, apart from what these machines are always told. */
  readonly says: readonly string[]
}

const on = (machine: machines.Machine, command: string) => (): Promise<unknown> => machines.sh(machine, command)

/** NFSv3 needs a daemon for mounts, and that one rpcbind. */
export const serveNfs3 = on('G', 'pgrep rpcbind >/dev/null || { rpcbind -w; rpc.nfsd 0; rpc.nfsd -V 3 -V 4.2 4; echo Y >/proc/fs/nfsd/v4_end_grace; pkill nfsv4.exportd; rpc.mountd -p 20048; }') // prettier-ignore
const NFS3 = { share: nfs, type: 'nfs', source: 'gateway:/srv/lock', before: serveNfs3 }
const LOST_LOCKS = '/sys/module/nfs/parameters/recover_lost_locks'
const fill = on('G', `dd if=/dev/zero of=/srv/lock/filler bs=64k 2>/dev/null; sync`)
const empty = on('G', 'rm -f /srv/lock/filler; sync')

/** Stands still for longer than half of what one operation may take (P and R of 1 s, Q of 6 s). */
async function stutter(over: () => boolean): Promise<void> {
  while (!over()) {
    machines.freeze('G')
    await sleep(1500)
    machines.thaw('G')
    // Shorter than the doctor's trials, so that some of them meet the next one.
    await sleep(300)
  }
}

const hostName = (name: string) => on('A', `hostname ${name}`)
const lostLocks = (value: number) => on('A', `modprobe nfs; echo ${value} >${LOST_LOCKS}`)
const inTurn =
  (...all: (() => Promise<unknown>)[]) =>
  async (): Promise<void> => {
    for (const each of all) await each()
  }

// prettier-ignore
export const onOneHost: readonly Planted[] = [
  { name: 'none: NFS with the recommended options', share: nfs, options: NFS, says: [] },
  { name: 'NFSv3 without locks, mounted read-only', ...NFS3, options: 'vers=3,nolock,soft,timeo=10,retrans=1,noac,lookupcache=none,ro', says: ['MOUNT-NFS3', 'MOUNT-NOLOCK', 'MOUNT-LOCAL-LOCK', 'MOUNT-READ-ONLY', 'FOLDER-READ-ONLY'] },
  { name: 'NFS with default options (hard, caches), the journal on it, a gateway port where nothing answers, a listener at an address of another machine', share: nfs, options: 'vers=4.2', keys: { dataDirectory: `${AT}/doctor/data`, gatewayServerPort: 9, listeners: { amqp: { host: machines.ADDRESS.B, port: 5782 } } }, says: ['MOUNT-HARD', 'MOUNT-NFS-CACHED', 'DISK-NETWORK', 'SPACE-SHORT', 'GATEWAY-DOWN', 'PORT-NOT-HERE'] },
  { name: 'NFS that fails only after a minute, on a client that takes lost locks back and has no name; a LockFile that is a folder', share: nfs, options: 'vers=4.2,soft,timeo=200,retrans=2,noac,lookupcache=none', before: inTurn(lostLocks(1), hostName('localhost'), on('G', `mkdir ${FOLDER}/LockFile`)), undo: inTurn(lostLocks(0), hostName('hostA'), on('G', `rmdir ${FOLDER}/LockFile`)), says: ['MOUNT-SLOW-ERRORS', 'MOUNT-RECOVER-LOCKS', 'HOST-NAME', 'LOCKFILE-IS-FOLDER'] },
  { name: 'NFS: a folder of another user', share: nfs, options: NFS, before: on('G', `chmod 0755 ${FOLDER}`), undo: on('G', `chmod 0777 ${FOLDER}`), user: STRANGER, says: ['FOLDER-DENIED'] },
  { name: 'NFS: sticky bit, and files of another user', share: nfs, options: NFS, before: on('G', `chmod 1777 ${FOLDER}; touch ${FOLDER}/LockFile.r0000000001`), undo: on('G', `chmod 0777 ${FOLDER}; rm ${FOLDER}/LockFile*`), user: STRANGER, says: ['STICKY'] },
  { name: 'NFS: the share is full', share: nfs, options: NFS, before: fill, undo: empty, says: ['FOLDER-FULL'] },
  { name: 'NFS: the gateway stutters', share: nfs, options: NFS, meanwhile: stutter, says: ['OPERATIONS-SLOW'] },
  { name: 'NFS: the export was withdrawn', share: nfs, options: NFS, after: on('G', nfs.withdraw), undo: on('G', nfs.offerAgain), says: ['FOLDER-DENIED'] },
  { name: 'NFS: its server is gone, mounted hard', share: nfs, options: 'vers=4.2,noac,lookupcache=none', after: on('G', nfs.stopServer), undo: on('G', nfs.startServer), says: ['MOUNT-HARD', 'SHARE-SILENT', 'GATEWAY-DOWN'] },
  { name: 'the share is not mounted', share: nfs, options: null, says: ['MOUNT-LOCAL-TWO-HOSTS', 'FOLDER-MISSING'] },
  { name: 'none: SMB with the recommended options', share: smb, options: SMB, says: [] },
  { name: 'SMB without byte range locks, with cache=loose, without flushes, mounted read-only', share: smb, options: `${SMB},nobrl,cache=loose,nostrictsync,ro`, says: ['MOUNT-NOBRL', 'MOUNT-SMB-LOOSE', 'MOUNT-SMB-NO-SYNC', 'MOUNT-READ-ONLY', 'FOLDER-READ-ONLY'] },
  { name: 'SMB 2.1 with default options: caches, a lost gateway noticed late', share: smb, options: 'guest,vers=2.1', says: ['MOUNT-SMB2', 'MOUNT-SMB-CACHED', 'MOUNT-SMB-ECHO'] },
]

/** What is planted on B, whose doctor runs at the same time; the doctor of A names it. */
export interface PlantedBetween {
  readonly name: string
  readonly share: Share
  readonly before?: () => Promise<unknown>
  readonly after?: () => Promise<unknown>
  readonly undo?: () => Promise<unknown>
  readonly userOfB?: number
  readonly keysOfB?: Readonly<Record<string, unknown>>
  readonly says: readonly string[]
}

const setClock = (lateSeconds: number) => (): Promise<unknown> =>
  machines.sh('B', `date -s @${(Date.now() / 1000 - lateSeconds).toFixed(3)}`)

// prettier-ignore
export const onTwoHosts: readonly PlantedBetween[] = [
  { name: 'none: both hosts on one NFS share', share: nfs, says: [] },
  { name: 'none: both hosts on one SMB share', share: smb, says: [] },
  { name: 'NFS: the other host looks at another folder', share: nfs, keysOfB: { lockFile: `${AT}/LockFile` }, says: ['NOT-SAME-FOLDER'] },
  { name: 'NFS: one host name, another lease, clocks a minute apart', share: nfs, keysOfB: { passiveLockAcquisitionInterval: 7000 }, after: inTurn(setClock(60), on('B', 'hostname hostA')), undo: inTurn(setClock(0), on('B', 'hostname hostB')), says: ['HOSTS', 'INTERVALS-DIFFER', 'CLOCKS-APART'] },
  { name: 'NFS: sticky bit, and two users', share: nfs, userOfB: STRANGER, before: on('G', `chmod 1777 ${FOLDER}`), undo: on('G', `chmod 0777 ${FOLDER}`), says: ['USERS', 'STICKY-RISK'] },
]
