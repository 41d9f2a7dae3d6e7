// The findings about the share: the mount that the LockFile's folder is on, the folder itself, and whether its operations
// exclude. `{fstab}` is the line to put into /etc/fstab, made for this mount (mount-advice.ts), `{export}` that of the
// gateway's /etc/exports.

import { ok, refuse, unknown, warn } from './row.ts'

// prettier-ignore
export const shareRows = {
  'MOUNT': ok(
    'The folder of {lockFile} is on {type} ({source} at {mountPoint}, {options}).',
    'What an operation on the share promises depends on the file system and its options.'),
  'MOUNT-UNKNOWN': unknown(
    'The mount that {folder} is on could not be found out ({detail}).',
    'Some mount options make the lock worthless, and nothing else shows them.',
    'Compare the options that the mount command shows with docs/doctor.md.'),
  'MOUNT-AUTOFS': warn(
    '{mountPoint} is an automount that is not mounted.',
    'A share that comes and goes is not there when a takeover needs it.',
    'Mount it for good: {fstab}'),
  'MOUNT-READ-ONLY': refuse(
    'The share at {mountPoint} is mounted read-only.',
    'Holding the lock means writing there several times a second.',
    'Mount it for writing (mount -o remount,rw {mountPoint}) and export it so: {export}'),
  'MOUNT-NFS3': refuse(
    'The share at {mountPoint} is mounted as NFS version {version}.',
    'NFSv3 has no sessions: a request that is sent again may fail for its own success, and requests are carried out long after their host has died.',
    'Mount it as NFSv4.2: {fstab}'),
  'MOUNT-NFS40': warn(
    'The share at {mountPoint} is mounted as NFS version {version}.',
    'Version 4.0 has no sessions: a request that is sent again may fail for its own success. The lock reads names back and copes, but takes longer.',
    'Mount it as NFSv4.2: {fstab}'),
  'MOUNT-NOLOCK': refuse(
    'The share at {mountPoint} is mounted with nolock.',
    'Locks are then kept on each host by itself: what is exclusive here is not exclusive there.',
    'Take nolock out: {fstab}'),
  'MOUNT-LOCAL-LOCK': refuse(
    'The share at {mountPoint} is mounted with local_lock={value}.',
    'Locks are then kept on each host by itself: what is exclusive here is not exclusive there.',
    'Take local_lock out (none is the default): {fstab}'),
  'MOUNT-RECOVER-LOCKS': refuse(
    'The NFS client of this host has recover_lost_locks=1.',
    'After a cut it takes back locks that another host has had meanwhile, without telling anybody.',
    'Write "options nfs recover_lost_locks=0" to /etc/modprobe.d/nfs.conf, and 0 to /sys/module/nfs/parameters/recover_lost_locks, then mount again.'),
  'MOUNT-NFS-CACHED': warn(
    'The NFS mount at {mountPoint} caches names and attributes ({value}).',
    'The other host sees a change of the lock up to {visibilityMs} ms late; a takeover takes that much longer.',
    'Mount it without caches: {fstab}'),
  'MOUNT-HARD': warn(
    'The share at {mountPoint} is mounted hard: an operation never fails while the gateway is away.',
    'The lock lives with it (the server gives operations up by itself), but other programs hang there, and a server that stops then has to kill itself.',
    'Mount it with softerr: {fstab}'),
  'MOUNT-SLOW-ERRORS': warn(
    'On the share at {mountPoint} an operation fails only after {value} s without the gateway.',
    'An abandoned operation blocks its lane of the share until it fails; the lock is tried again only then.',
    'Shorten the time limit: {fstab}'),
  'MOUNT-SMB1': refuse(
    'The share at {mountPoint} is mounted as SMB version {version}.',
    'SMB 1 has neither durable handles nor replay detection; nothing of it was tried.',
    'Mount it as SMB 3.1.1: {fstab}'),
  'MOUNT-SMB2': warn(
    'The share at {mountPoint} is mounted as SMB version {version}.',
    'Measured and found good were versions 3.0 and later.',
    'Mount it as SMB 3.1.1: {fstab}'),
  'MOUNT-NOBRL': refuse(
    'The share at {mountPoint} is mounted with nobrl.',
    'Locks are then kept on each host by itself: what is exclusive here is not exclusive there.',
    'Take nobrl out: {fstab}'),
  'MOUNT-SMB-LOOSE': refuse(
    'The share at {mountPoint} is mounted with cache=loose.',
    'The host then believes its own copy of the folder and does not ask the gateway.',
    'Take cache=loose out (strict is the default): {fstab}'),
  'MOUNT-SMB-NO-SYNC': refuse(
    'The share at {mountPoint} is mounted with nostrictsync.',
    'A record of the LockFile that was reported as flushed may be lost with the gateway: the register would go back.',
    'Take nostrictsync out: {fstab}'),
  'MOUNT-SMB-CACHED': warn(
    'The SMB mount at {mountPoint} caches attributes (actimeo={value}).',
    'The other host sees a change of the lock up to {visibilityMs} ms late; a takeover takes that much longer.',
    'Mount it without that cache: {fstab}'),
  'MOUNT-SMB-ECHO': warn(
    'The SMB mount at {mountPoint} notices a lost gateway only after about {value} s (echo_interval).',
    'An abandoned operation blocks its lane of the share until it fails; the lock is tried again only then.',
    'Set echo_interval=1: {fstab}'),
  'MOUNT-NOT-EXCLUDING': refuse(
    'The folder of {lockFile} is on {type}.',
    '{reason}',
    'Put the LockFile on an NFSv4 or SMB share of the gateway: {fstab}'),
  'MOUNT-UNTRIED': warn(
    'The folder of {lockFile} is on {type}.',
    'Whether it excludes across two hosts, and how late it shows changes, was never measured here.',
    'Run lockstep doctor with --with-peer on both hosts at the same time and believe only that; or use NFSv4 or SMB: {fstab}'),
  'MOUNT-LOCAL': warn(
    'The folder of {lockFile} is on a disk of this machine ({type}), and so is the other server.',
    'That is exclusive, but both servers and the lock are lost together with this one machine.',
    'Good for trying out. For two machines put the LockFile on a share of the gateway: {fstab}'),
  'MOUNT-LOCAL-UNSURE': warn(
    'The folder of {lockFile} is on a disk of this machine ({type}); whether {peer} is this machine too is not known.',
    'Two machines that each look at a folder of their own would both serve.',
    'Where {peer} is another machine, put the LockFile on a share of the gateway: {fstab}'),
  'MOUNT-LOCAL-TWO-HOSTS': refuse(
    'The folder of {lockFile} is on a disk of this machine ({type}), and the other server is on another one ({peer}).',
    'Each server would look at a folder of its own, and both would serve.',
    'Mount the gateway\'s share there: {fstab} (where both servers do run on this machine, in containers with one folder, set singleHost: true in both profiles)'),
  'MOUNT-VOLATILE': warn(
    'The folder of {lockFile} is in memory ({type}).',
    'A restart of this machine takes the register with it; then no server knows whose copy is in sync, and none serves by itself.',
    'Put the LockFile on a share of the gateway: {fstab}'),

  'FOLDER': ok(
    'The folder {folder} is there and this user (id {user}) may write in it.',
    'Both servers create, rename and delete names in it.'),
  'FOLDER-MISSING': refuse(
    'The folder {folder} of the LockFile is not there ({detail}).',
    'A share that is not mounted looks like this.',
    'Mount the share: {fstab}. Do not create the folder on the local disk.'),
  'FOLDER-DENIED': refuse(
    'This user (id {user}) may not create, rename and delete names in {folder} ({detail}).',
    'Holding the lock means just that.',
    'Give the user of both servers these rights, on the share and in its export: {export}'),
  'FOLDER-READ-ONLY': refuse(
    'Nothing can be written in {folder} ({detail}).',
    'Holding the lock means writing there several times a second.',
    'Export it for writing: {export}. A file system that turned read-only by itself has a damaged disk.'),
  'FOLDER-FULL': refuse(
    'There is no room left for {folder} ({detail}).',
    'A record of who is in sync that can not be written stops the service.',
    'Free space, inodes or quota on the gateway; a few kilobytes suffice.'),
  'LOCKFILE-IS-FOLDER': refuse(
    'lockFile names a folder: {lockFile}.',
    'The LockFile is a name in a folder; the files of the lock begin with it.',
    'Name a file in it, which need not be there: lockFile: {lockFile}/LockFile'),
  'FOLDER-STALE': refuse(
    'The share of {folder} was exchanged under its mount ({detail}).',
    'Every operation fails until it is mounted anew.',
    'Unmount and mount it again. If the gateway was restored from a backup, read docs/lockfile.md first.'),
  'FOLDER-FAILS': refuse(
    'An operation in {folder} fails: {detail}.',
    'The lock needs all of mkdir, exclusive create, rename, link, unlink, rmdir, readdir and fsync.',
    'Look up the error of the operating system, in the kernel log too; then run lockstep doctor again.'),
  'SHARE-SILENT': refuse(
    'The share of {folder} has not answered within {limitMs} ms ({detail}).',
    'While it is silent no server can take the lock. A running active server goes on as long as its peer answers.',
    'Check the gateway, the network to it and the mount: {fstab}'),
  'STICKY': refuse(
    'The folder {folder} has the sticky bit, and {file} in it belongs to user {owner}; this server runs as user {user}.',
    'With it only the owner may rename a file: this server could never take over the lock of the other one.',
    'Run both servers as one user (the same numeric id), or take the sticky bit off: chmod -t {folder}'),
  'STICKY-RISK': warn(
    'The folder {folder} has the sticky bit.',
    'With it only the owner may rename a file: servers that run as different users could not take over from each other.',
    'Take it off (chmod -t {folder}), or make sure that both servers run as user {user}.'),

  'EXCLUSION': ok(
    '{op}: {rounds} rounds with {contenders}, exactly one winner in each.',
    'Taking the lock and appending to the register are decided so.'),
  'EXCLUSION-BROKEN': refuse(
    '{op}: in {doubles} of {rounds} rounds with {contenders} there were two winners.',
    'Both servers would take the lock and serve at the same time.',
    'Do not use this share. Put the LockFile on an NFSv4 or SMB share of a Linux machine: {fstab}'),
  'EXCLUSION-NOBODY': warn(
    '{op}: in {nobody} of {rounds} rounds with {contenders} nobody was told to have won.',
    'An operation that is reported as failed although it was carried out; the lock reads names back and copes, but takes longer.',
    'Look for lost packets between this host and the gateway, and mount with sessions: {fstab}'),
  'LINK-MISSING': warn(
    'The share makes no hard links ({detail}).',
    'Records of the register are then created exclusively instead, and a crash in the middle can leave a damaged one.',
    'Prefer a share with hard links: {fstab}'),
  'RMDIR-DESTROYS': refuse(
    'The share removed a folder that was not empty.',
    'A late release would take the lock of the next holder with it.',
    'Do not use this share. Put the LockFile on an NFSv4 or SMB share of a Linux machine: {fstab}'),
  'LISTING-STALE': warn(
    'After a rename of its own this host did not see the new name in {stale} of {rounds} listings.',
    'The lock is watched by listing its folder: what is listed late is known late.',
    'Mount without caches: {fstab}'),
  'FSYNC-FAILS': refuse(
    'fsync in {folder} fails ({detail}).',
    'A record that says who is in sync must be durable before anything is acknowledged on its strength.',
    'Use another share, or see what its server says: {export}'),
  'OPERATIONS': ok(
    'An operation on the share takes {medianMs} ms (median of {count}), at most {maxMs} ms.',
    'One operation is given up after {limitMs} ms; the renewal of the lock is one.'),
  'OPERATIONS-SLOW': warn(
    'An operation on the share takes {medianMs} ms (median of {count}), at most {maxMs} ms.',
    'One operation is given up after {limitMs} ms: more than half of that is used up already.',
    'Find out what slows the gateway down, or give the lock more time: {yaml}'),
  'OPERATIONS-TOO-SLOW': refuse(
    'An operation on the share takes {medianMs} ms (median of {count}), at most {maxMs} ms.',
    'One operation is given up after {limitMs} ms: the lock would be lost again and again.',
    'Find out what slows the gateway down, or give the lock more time: {yaml}'),
} as const
