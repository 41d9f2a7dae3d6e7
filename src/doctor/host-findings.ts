// The findings about everything but the share: gateway, peer, ports, the disk of the data directory, clocks, stalls, what
// only two doctors on two hosts can find out together, and what to expect from all of it. `{yaml}` are lines for the
// profile (outlook.ts).

import { ok, refuse, unknown, warn } from './row.ts'

// prettier-ignore
export const hostRows = {
  'GATEWAY': ok(
    'The gateway answers at {address} ({ms} ms).',
    'A server that reaches neither its peer nor the gateway counts as cut off and takes no lock.'),
  'GATEWAY-DOWN': refuse(
    'The gateway does not answer at {address} ({problem}).',
    'A server that reaches neither its peer nor the gateway counts as cut off: it would never take over.',
    'Start what listens there, open the port in the firewalls, or run lockstep gateway on it and name its port: gatewayServerPort: 7190'),
  'PEER': ok(
    'The other server\'s {purpose} answers at {address} ({ms} ms).',
    'Without it nothing is replicated.'),
  'PEER-DOWN': warn(
    'The other server\'s {purpose} does not answer at {address} ({problem}).',
    'Without it nothing is replicated, and one more fault ends the service.',
    'Where it is running: check {keys} and the firewalls on both hosts. Where it is not: start it.'),
  'PORT': ok(
    'The {purpose} port {address} is {state}.',
    'The server opens it when it starts.'),
  'PORT-TAKEN': refuse(
    'The {purpose} port {address} is in use by another program.',
    'The server could not start, or would start and not take over.',
    'Stop that program (ss -ltnp names it), or give {key} another port in the profile.'),
  'PORT-NOT-HERE': refuse(
    'The {purpose} port {address} can not be opened: {problem}.',
    'The server could not start, or would start and not take over.',
    'Name an address of this machine as {key}, or 0.0.0.0 for all; ports below 1024 need a privilege.'),
  'DISK': ok(
    'A flush of the disk under {directory} takes {p50Ms} ms (p50), {p99Ms} ms (p99), at most {maxMs} ms.',
    'Every acknowledgement waits for one, on both servers.'),
  'DISK-SLOW': warn(
    'A flush of the disk under {directory} takes {p50Ms} ms (p50), {p99Ms} ms (p99), at most {maxMs} ms.',
    'Every acknowledgement waits for one, on both servers; one of more than {limitMs} ms comes near the time in which a peer counts as gone.',
    'Put dataDirectory on a disk of its own (an SSD with power-loss protection), or look for what else writes there.'),
  'DISK-FAILS': refuse(
    'The data directory {directory} can not be written and flushed ({problem}).',
    'What can not be stored is not acknowledged: the server would stop at once.',
    'Correct owner and rights, repair the disk, or name another folder: dataDirectory: /var/lib/lockstep'),
  'DISK-NETWORK': warn(
    'The data directory {directory} is on {type}.',
    'A journal on the network is lost to the server together with the network, and its flushes are slow.',
    'Put dataDirectory on a disk of this machine.'),
  'DISK-VOLATILE': warn(
    'The data directory {directory} is in memory ({type}).',
    'A restart of this machine takes everything with it: an acknowledged message is then on the other server alone.',
    'Put dataDirectory on a disk of this machine.'),
  'SPACE': ok(
    'There are {free} free for {directory}.',
    'The journal needs room for what the other server has not received yet.'),
  'SPACE-SHORT': warn(
    'There are only {free} free for {directory}.',
    'The journal of these limits can take up {need}; on a full disk the server stops and its peer takes over.',
    'Free space, or lower limits.snapshotEveryBytes and limits.queueBytes in the profile.'),
  'CLOCK': ok(
    'The clock of this host is {source}, {sync}.',
    'Only its rate matters for the lock, and the margin covers far more than a quartz is off.'),
  'CLOCK-NO-SYNC': unknown(
    'Nothing says that the clock of this host is kept in time ({source}).',
    'No lock and no acknowledgement depends on the time of day, but log lines of both hosts can not be compared.',
    'Run chrony or systemd-timesyncd on both hosts and on the gateway.'),
  'CLOCK-COARSE': warn(
    'The clock source of this host is {source}.',
    'It may stand still or run slow under load; leases are measured with it.',
    'Boot with another clock source (tsc, kvm-clock, arch_sys_counter, hyperv_clocksource); see available_clocksource below /sys/devices/system/clocksource/clocksource0.'),
  'STALLS': ok(
    'A process that only waits was held up for at most {maxMs} ms within {seconds} s.',
    'The margin of {marginMs} ms has to cover that.'),
  'STALLS-LONG': warn(
    'A process that only waits was held up for {maxMs} ms within {seconds} s.',
    'The margin of {marginMs} ms has to cover that, under load too: a server that stands still for longer falls silent.',
    'Give the machine a processor more, keep it from swapping, pin the virtual machine; or give the lock more time: {yaml}'),
  'HOST-NAME': warn(
    'This host is named {host}.',
    'File servers tell their clients apart by host name: two hosts of one name lose their locks to each other.',
    'Give it a name of its own: hostnamectl set-hostname <name>, then mount the share again.'),

  'MET': ok(
    'Both doctors met in {folder}, {peer} on host {host}.',
    'What one host writes there the other one finds: it is one folder.'),
  'NOT-MET': unknown(
    'The doctor of the other server was not found in {folder} within {seconds} s.',
    'Visibility, races and clocks between the two hosts were not measured.',
    'Run lockstep doctor --with-peer on both hosts within that time. If it did run there, the two look at different folders: compare lockFile in both profiles and the mounts.'),
  'NOT-SAME-FOLDER': refuse(
    'The doctor of the other server answers at {address}, but what each writes into {folder} the other does not find.',
    'The two hosts look at different folders: both servers would serve.',
    'Mount the same share on both hosts, with the same lockFile below it: {fstab}'),
  'HOSTS': refuse(
    'Both hosts have the same {same} ({value}), and these are two different machines.',
    'File servers tell their clients apart by it and would mix them up: a healthy lock was seen to be stolen so.',
    'Give each its own: hostnamectl set-hostname <name>; for a cloned machine remove /etc/machine-id and run systemd-machine-id-setup. Then mount the share again.'),
  'SAME-LABEL': refuse(
    'Both doctors were run for the {label} server.',
    'A pair is one primary and one secondary.',
    'Correct in one profile: server: {other}'),
  'INTERVALS-DIFFER': refuse(
    'The lease here is {mine} ms, on the other server {theirs} ms.',
    'Each would judge the silence of the other by another measure.',
    'Set the same in both profiles: passiveLockAcquisitionInterval: {mine}'),
  'USERS': refuse(
    'The folder {folder} has the sticky bit; this server runs as user {mine}, the other one as user {theirs}.',
    'With it only the owner may rename a file: neither could take over from the other.',
    'Run both servers as one user (the same numeric id), or take the sticky bit off: chmod -t {folder}'),
  'VISIBILITY': ok(
    'What {from} writes is seen by {to} after {minMs} / {medianMs} / {maxMs} ms (min, median, max of {count}).',
    'The passive server learns so late that the lock was released or renewed.'),
  'VISIBILITY-SLOW': warn(
    'What {from} writes is seen by {to} after {minMs} / {medianMs} / {maxMs} ms (min, median, max of {count}).',
    'The passive server learns so late that the lock was released or renewed: every takeover takes that much longer.',
    'Mount without caches on both hosts: {fstab}'),
  'VISIBILITY-TOO-SLOW': refuse(
    'What {from} writes is seen by {to} after {minMs} / {medianMs} / {maxMs} ms (min, median, max of {count}).',
    'Renewals of a healthy server would be seen so late that its lease of {leaseMs} ms looks over.',
    'Mount without caches on both hosts: {fstab}; or give the lock more time: {yaml}'),
  'MEETING-BROKEN': refuse(
    'The two doctors lost each other while they measured: {problem}.',
    'What one host writes the other one must find within moments.',
    'Run both again; where it happens again, look at the gateway and at the network between it and both hosts.'),
  'CLOCKS': ok(
    'The clocks of the two hosts are {offsetMs} ms apart (give or take {errorMs}), drifting {drift}.',
    'Nothing depends on the time of day; rates are covered by the margin.'),
  'CLOCKS-APART': warn(
    'The clocks of the two hosts are {offsetMs} ms apart (give or take {errorMs}).',
    'No lock and no acknowledgement depends on the time of day, but log lines of both hosts can not be compared.',
    'Run chrony or systemd-timesyncd on both hosts and on the gateway.'),
  'CLOCKS-DRIFT': refuse(
    'The clocks of the two hosts run at different rates ({drift}).',
    'Each measures the lease with its own clock; the margin covers 1 %.',
    'Look for a broken clock source, a virtual machine that is often paused, or a time daemon that has gone wrong.'),

  'OUTLOOK': ok(
    'Time without service to expect with this profile: {outlook}.',
    'Reckoned from the intervals of the profile and from what was measured here.'),
  'INTERVALS-SHORT': warn(
    'The intervals of the profile are too short for what was measured ({reason}).',
    'A slow moment of the share or of this machine would cost the lock.',
    'Set in both profiles: {yaml}'),
  'INTERVALS': ok(
    'The intervals of the profile fit what was measured (at least {yaml} would do).',
    'A renewal may be slow once without costing the lock.'),
} as const
