// The gateway's two exports, NFSv4.2 and SMB 3.1.1, as data: how a server mounts each, and what can happen to it on the
// gateway. Nothing of the product is in here.
import { exec, sh, type Machine } from './machines.ts'

export type Options = 'recommended' | 'default'

export interface Share {
  readonly name: 'NFS' | 'SMB'
  readonly at: string
  /** A port of the gateway for the servers' pings. */
  readonly port: number
  readonly type: string
  readonly source: string
  readonly options: Readonly<Record<Options, string>>
  /** On the gateway: the process or threads that serve it end, as by a crash; and come back. */
  readonly stopServer: string
  readonly startServer: string
  /** On the gateway: it runs on, and exports this folder no more; and again. */
  readonly withdraw: string
  readonly offerAgain: string
  /** A client whose export was withdrawn has to mount it anew, even after it is offered again. */
  readonly mustRemount: boolean
}

const SMB_CONF = '/run/smb/smb.conf'

export const shares: readonly Share[] = [
  {
    name: 'NFS',
    at: '/mnt/nfs',
    port: 2049,
    type: 'nfs4',
    source: 'gateway:/',
    options: { recommended: 'vers=4.2,softerr,timeo=10,retrans=1,noac,lookupcache=none', default: 'vers=4.2' },
    stopServer: 'rpc.nfsd 0',
    startServer: 'rpc.nfsd -N 3 -V 4.2 4; echo Y >/proc/fs/nfsd/v4_end_grace',
    withdraw: 'exportfs -ua; exportfs -f',
    offerAgain: 'exportfs -ra',
    mustRemount: false,
  },
  {
    name: 'SMB',
    at: '/mnt/smb',
    // The kernel's: smbd starts a process for each connection, and these slow machines do nothing else then.
    port: 2049,
    type: 'cifs',
    source: '//gateway/lock',
    options: { recommended: 'guest,vers=3.1.1,soft,echo_interval=1,actimeo=0', default: 'guest' },
    stopServer: 'pkill -KILL smbd; true',
    startServer: `rm -f /run/smb/pid/*; smbd -D -s ${SMB_CONF}`,
    withdraw: `sed -i 's/^ guest ok.*/&\\n available = no/' ${SMB_CONF}; smbcontrol -s ${SMB_CONF} smbd reload-config; smbcontrol -s ${SMB_CONF} smbd close-share lock`,
    offerAgain: `sed -i '/available = no/d' ${SMB_CONF}; smbcontrol -s ${SMB_CONF} smbd reload-config`,
    // Linux answers EAGAIN for ever after the server has said that the share was deleted (seen on 6.1).
    mustRemount: true,
  },
]

/** Mounts with options of the table, or with others. */
export async function mount(machine: Machine, share: Share, options: string, at = share.at): Promise<void> {
  await sh(machine, `mkdir -p ${at} && mount -t ${share.type} -o ${options} ${share.source} ${at}`)
}

export const unmount = async (machine: Machine, at: string): Promise<void> =>
  void (await exec(machine, `umount -l ${at}`))
