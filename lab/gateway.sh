#!/bin/bash
# Runs on the gateway machine: one folder on a disk of its own (an image on the host, so that it outlives a reboot),
# exported by the kernel's NFSv4 server and by samba.
mkdir -p /srv/lock
mount -t ext4 -o "${GATEWAY_DISK_OPTIONS:-defaults}" /dev/ubda /srv/lock && mkdir -m 0777 -p /srv/lock/pair && chmod 0777 /srv/lock
# ---- NFSv4 only: no rpcbind, no statd
modprobe nfsd
mount -t nfsd nfsd /proc/fs/nfsd
mount -t tmpfs tmpfs /var/lib/nfs
mkdir -p /var/lib/nfs/{v4recovery,rpc_pipefs,nfsdcld}; touch /var/lib/nfs/{etab,rmtab,state,xtab}
mount -t rpc_pipefs sunrpc /var/lib/nfs/rpc_pipefs
echo '/srv/lock 10.77.0.0/24(rw,sync,no_subtree_check,no_root_squash,fsid=0)' >/etc/exports
echo 10 >/proc/fs/nfsd/nfsv4leasetime; echo 10 >/proc/fs/nfsd/nfsv4gracetime
exportfs -ra
nfsv4.exportd 2>/dev/null || rpc.mountd -N 2 -N 3
rpc.nfsd "${NFS_V3:--N}" 3 -V 4.2 4
echo Y >/proc/fs/nfsd/v4_end_grace 2>/dev/null
# ---- SMB
mkdir -p /run/smb/{private,lock,state,cache,pid,ncalrpc,log}
cat >/run/smb/smb.conf <<C
[global]
 server role = standalone server
 map to guest = bad user
 guest account = nobody
 disable netbios = yes
 smb ports = 445
 private dir = /run/smb/private
 lock directory = /run/smb/lock
 state directory = /run/smb/state
 cache directory = /run/smb/cache
 pid directory = /run/smb/pid
 ncalrpc dir = /run/smb/ncalrpc
 log file = /run/smb/log/smbd.log
 load printers = no
 disable spoolss = yes
 registry shares = no
[lock]
 path = /srv/lock
 read only = no
 guest ok = yes
 force user = root
C
smbd -D -s /run/smb/smb.conf
true
