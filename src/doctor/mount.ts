// Judges the mount that the LockFile's folder is on: which file system, with which options, and what that means for the
// lock. Pure: from the text of mountinfo to findings. The folder and its operations are judged in folder.ts.

import type { Details } from '../base/errors.ts'
import { SHARE_VISIBILITY_MS } from '../profiles/intervals.ts'
import { finding, type Finding, type FindingName } from './finding.ts'
import { exportLine, fstabLine, type Place } from './mount-advice.ts'
import { mountOf, optionOf, parseMounts, type Mount } from './mountinfo.ts'

export interface MountFacts extends Place {
  readonly lockFile: string
  /** The folder without links where the share answered, else as the profile names it. */
  readonly realFolder: string
  /** /proc/self/mountinfo; null where there is none. */
  readonly mountinfo: string | null
  /** /sys/module/nfs/parameters/recover_lost_locks; '' where there is none. */
  readonly recoverLostLocks: string
  /** Whether the other server's address is one of this machine. */
  readonly peerHere: 'yes' | 'no' | 'unknown'
  readonly hostName: string
  readonly leaseMs: number
}

export interface MountJudgement {
  readonly mount: Mount | null
  /** local: one machine's disk or memory. */
  readonly kind: 'nfs' | 'smb' | 'local' | 'other' | 'unknown'
  readonly findings: readonly Finding[]
}

// prettier-ignore
const LOCAL = new Set([
  'ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'zfs', 'f2fs', 'jfs', 'reiserfs', 'bcachefs', 'nilfs2', 'overlay', 'aufs',
  'tmpfs', 'ramfs', 'devtmpfs', 'vfat', 'exfat', 'msdos', 'ntfs', 'ntfs3', 'fuseblk', 'hfsplus', 'apfs', 'ubifs',
])
/** In memory: gone with a restart of the machine. */
export const VOLATILE_TYPES: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'devtmpfs'])

const OBJECTS = 'It keeps files as objects: a rename is a copy and a removal, and nothing there is exclusive.'
const NOT_EXCLUDING: Readonly<Record<string, string>> = {
  'fuse.sshfs': 'It believes its own copy of a folder for 20 s, and a rename that replaces is a removal and a rename.',
  'fuse.s3fs': OBJECTS,
  'fuse.goofys': OBJECTS,
  'fuse.mount-s3': OBJECTS,
  'fuse.gcsfuse': OBJECTS,
  'fuse.blobfuse': OBJECTS,
  'fuse.blobfuse2': OBJECTS,
  'fuse.rclone': OBJECTS,
  'fuse.davfs': 'It sends changes to the server when it likes, and nothing there is exclusive.',
  davfs: 'It sends changes to the server when it likes, and nothing there is exclusive.',
  'fuse.curlftpfs': 'It has neither exclusive creation nor links, and a rename may be repeated.',
  'fuse.encfs': 'Two hosts that encrypt names by themselves need not agree on them.',
  iso9660: 'It cannot be written.',
  squashfs: 'It cannot be written.',
}
/** 9p with these never asks the host again for what it has seen once. */
const CACHED_9P = new Set(['loose', 'fscache', 'mmap', 'readahead'])

/** Names that machines have which nobody named. */
const NAMELESS = /^(localhost(\.localdomain)?|debian|ubuntu|raspberrypi|\(none\)|)$/i

type Say = (name: FindingName, details?: Details) => void

export function judgeMount(facts: MountFacts): MountJudgement {
  const findings: Finding[] = []
  const mount = facts.mountinfo === null ? null : mountOf(facts.realFolder, parseMounts(facts.mountinfo))
  const common: Details = {
    folder: facts.folder,
    lockFile: facts.lockFile,
    peer: facts.peer,
    host: facts.hostName === '' ? '(nothing)' : facts.hostName,
    mountPoint: mount?.mountPoint,
    type: mount?.type,
    source: mount?.source,
    options: mount?.options.join(','),
    fstab: fstabLine(mount, facts),
    export: exportLine(mount, facts),
    visibilityMs: SHARE_VISIBILITY_MS,
  }
  const say: Say = (name, details = {}) => void findings.push(finding(name, { ...common, ...details }))
  if (mount === null) {
    say('MOUNT-UNKNOWN', {
      detail: facts.mountinfo === null ? 'there is no /proc/self/mountinfo' : 'no mount holds it',
    })
    return { mount, kind: 'unknown', findings }
  }
  say('MOUNT')
  if (mount.options.includes('ro')) say('MOUNT-READ-ONLY')
  const kind = judgeType(mount, facts, say)
  if (kind !== 'local' && NAMELESS.test(facts.hostName)) say('HOST-NAME')
  return { mount, kind, findings }
}

function judgeType(mount: Mount, facts: MountFacts, say: Say): MountJudgement['kind'] {
  const { type } = mount
  if (type === 'nfs' || type === 'nfs4') return judgeNfs(mount, facts, say)
  if (type === 'cifs' || type === 'smb3') return judgeSmb(mount, facts, say)
  if (LOCAL.has(type)) return judgeLocal(mount, facts, say)
  const reason = NOT_EXCLUDING[type]
  if (type === 'autofs') say('MOUNT-AUTOFS')
  else if (reason !== undefined) say('MOUNT-NOT-EXCLUDING', { reason })
  else if (type === '9p' && CACHED_9P.has(optionOf(mount, 'cache') ?? 'none'))
    say('MOUNT-NOT-EXCLUDING', { reason: 'With this cache option 9p never asks again for what it has seen once.' })
  else say('MOUNT-UNTRIED')
  return 'other'
}

function judgeLocal(mount: Mount, { peerHere }: MountFacts, say: Say): 'local' {
  if (peerHere === 'no') say('MOUNT-LOCAL-TWO-HOSTS')
  else if (peerHere === 'unknown') say('MOUNT-LOCAL-UNSURE')
  else say('MOUNT-LOCAL')
  if (VOLATILE_TYPES.has(mount.type)) say('MOUNT-VOLATILE')
  return 'local'
}

function judgeNfs(mount: Mount, facts: MountFacts, say: Say): 'nfs' {
  const option = (name: string): string | null => optionOf(mount, name)
  const version = option('vers') ?? option('nfsvers') ?? (mount.type === 'nfs4' ? '4' : '3')
  if (!(Number(version) >= 4)) say('MOUNT-NFS3', { version })
  else if (Number(version) < 4.1) say('MOUNT-NFS40', { version })
  const localLock = option('local_lock')
  if (option('nolock') !== null) say('MOUNT-NOLOCK')
  if (localLock !== null && localLock !== 'none') say('MOUNT-LOCAL-LOCK', { value: localLock })
  if (/^[Y1]/i.test(facts.recoverLostLocks.trim())) say('MOUNT-RECOVER-LOCKS')
  const cached = [
    ...(option('noac') === null && (option('actimeo') ?? '') !== '0' ? ['no noac'] : []),
    ...(option('lookupcache') === 'none' ? [] : [`lookupcache=${option('lookupcache') ?? 'all'}`]),
  ]
  if (cached.length > 0) say('MOUNT-NFS-CACHED', { value: cached.join(', ') })
  if (option('soft') === null && option('softerr') === null) say('MOUNT-HARD')
  else {
    // timeo is in tenths of a second; each of retrans repetitions waits for it anew.
    const seconds = (Number(option('timeo') ?? 600) / 10) * (1 + Number(option('retrans') ?? 2))
    if (!(seconds * 1000 <= Math.max(facts.leaseMs, 3000))) say('MOUNT-SLOW-ERRORS', { value: seconds })
  }
  return 'nfs'
}

function judgeSmb(mount: Mount, facts: MountFacts, say: Say): 'smb' {
  const option = (name: string): string | null => optionOf(mount, name)
  const version = option('vers') ?? 'unknown'
  const major = Number.parseInt(version, 10)
  if (major === 1) say('MOUNT-SMB1', { version })
  else if (major === 2) say('MOUNT-SMB2', { version })
  if (option('nobrl') !== null || option('nolock') !== null) say('MOUNT-NOBRL')
  if (option('cache') === 'loose') say('MOUNT-SMB-LOOSE')
  if (option('nostrictsync') !== null) say('MOUNT-SMB-NO-SYNC')
  const cached = option('acdirmax') ?? option('actimeo') ?? '1'
  if (cached !== '0') say('MOUNT-SMB-CACHED', { value: cached })
  if (option('hard') !== null) say('MOUNT-HARD')
  // Two echoes without an answer, and a third interval to notice it.
  const echoSeconds = Number(option('echo_interval') ?? 60)
  if (!(echoSeconds * 3000 <= Math.max(facts.leaseMs, 3000))) say('MOUNT-SMB-ECHO', { value: echoSeconds * 3 })
  return 'smb'
}
