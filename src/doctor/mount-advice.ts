// The lines that an operator is to write for a share: what goes into /etc/fstab here and into /etc/exports on the gateway,
// made from the mount that is there, or from the profile where there is none yet.

import { optionOf, type Mount } from './mountinfo.ts'

const NFS_OPTIONS = 'vers=4.2,softerr,timeo=10,retrans=1,noac,lookupcache=none,_netdev'
const SMB_OPTIONS = 'vers=3.1.1,soft,echo_interval=1,actimeo=0,_netdev'

export interface Place {
  /** The folder of the LockFile. */
  readonly folder: string
  /** gatewayServerIPAddress. */
  readonly gateway: string
  /** Address of the other server, for the export. */
  readonly peer: string
}

const isSmb = (type: string): boolean => type === 'cifs' || type === 'smb3'
const isNfs = (type: string): boolean => type === 'nfs' || type === 'nfs4'

/** fstab writes blanks as \040. */
const field = (text: string): string =>
  text.replace(/[ \t\\]/g, c => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)

/** Options that say who is who are kept: they are not ours to judge. */
function smbIdentity(mount: Mount): string {
  const kept = ['username', 'domain', 'uid', 'gid', 'file_mode', 'dir_mode', 'sec']
    .map(name => [name, optionOf(mount, name)] as const)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}=${value},`)
  return `credentials=/etc/lockstep.smb,${kept.filter(text => !text.startsWith('username=')).join('')}`
}

/** The line for /etc/fstab that makes this mount fit. */
export function fstabLine(mount: Mount | null, place: Place): string {
  if (mount !== null && isSmb(mount.type))
    return `${field(mount.source)} ${field(mount.mountPoint)} cifs ${smbIdentity(mount)}${SMB_OPTIONS} 0 0`
  if (mount !== null && isNfs(mount.type))
    return `${field(mount.source)} ${field(mount.mountPoint)} nfs4 ${NFS_OPTIONS} 0 0`
  return `${place.gateway}:/srv/lockstep ${field(place.folder)} nfs4 ${NFS_OPTIONS} 0 0`
}

/** The line for /etc/exports on the gateway (for SMB the section of smb.conf). */
export function exportLine(mount: Mount | null, place: Place): string {
  if (mount !== null && isSmb(mount.type)) {
    const share = mount.source.split('/').findLast(part => part !== '') ?? 'lockstep'
    return `[${share}] read only = no, strict sync = yes, oplocks = no, kernel oplocks = no`
  }
  const path = mount !== null && isNfs(mount.type) ? mount.source.slice(mount.source.indexOf(':') + 1) : '/srv/lockstep'
  return `${field(path === '' ? '/srv/lockstep' : path)} ${place.peer}(rw,sync,no_subtree_check) <address of this host>(rw,sync,no_subtree_check)`
}
