// Faults of replication, coded. Those of the channel itself (secret, frames, time-outs) are in channel-errors.ts.

import { defineErrors } from '../base/errors.ts'

// prettier-ignore
export const replicationError = defineErrors('REPLICATION', {
  BACKLOG:        { what: 'More than {limit} bytes of records wait to become safe; no more are taken.', remedy: 'Nothing is lost; clients may send again. If it stays: look at the disk of this server and of its peer, and at the back channel between them.' },
  'NOT-ACTIVE':   { what: 'This server does not serve; it makes no records.', remedy: 'Clients must go to the active server.' },
  'STALE-LEADER': { what: 'The peer acts on LockFile record {theirs}, but this server has seen record {ours}: it does not follow a deposed server.', remedy: 'None while it lasts for moments: the peer will learn the newer record and step down. If it stays: both servers must see the same share; see whether the LockFile was restored from a backup.' },
  'OLD-EPOCH':    { what: 'The peer sends in epoch {theirs}, but this server knows epoch {ours}; nothing of it was taken.', remedy: 'None while it lasts for moments. If it stays: both servers must see the same LockFile.' },
  'FOREIGN-PAIR': { what: 'The peer belongs to pair {theirs}, this store to pair {ours}.', remedy: 'Check backupHAIPAddress and backupHAPort of both profiles, and that neither data directory was copied from another pair.' },
  DIVERGED:       { what: 'The journals of both servers differ at {position}, where they must be equal ({detail}).', remedy: 'Keep both data directories. The active server goes on alone. To rebuild this copy, stop the passive server, move its data directory away and start it again.' },
  LISTED:         { what: 'The peer wants to replace this copy, which the LockFile names as in sync.', remedy: 'None: the active server must first record that it goes on alone, then it tries again.' },
  GAP:            { what: 'Records from {first} arrived where {expected} was the next; nothing of them was taken.', remedy: 'None: the servers synchronize again. If it comes back, report it with both logs.' },
  PROTOCOL:       { what: 'The peer sent {frame} where it makes no sense ({detail}).', remedy: 'None: the servers synchronize again. If it comes back, check that both run the same version, and report it with both logs.' },
  FLOOD:          { what: 'The peer has more than {limit} bytes under way to this server; it must wait for confirmations.', remedy: 'Check that both profiles have the same limits and both servers the same version.' },
  STALLED:        { what: 'The peer has confirmed nothing for {ms} ms, with {bytes} bytes under way.', remedy: 'The active server drops it and goes on alone; it comes back by synchronization. Look at the disk and the load of the peer.' },
  GONE:           { what: 'Records from {from} are no longer in the journal; the peer needs them.', remedy: 'None: synchronization begins again with a snapshot.' },
  SNAPSHOT:       { what: 'The snapshot from the active server is not usable ({detail}).', remedy: 'None: synchronization begins again. If it comes back, check the disks of both servers.' },
  'NOT-WHOLE':    { what: 'This copy is incomplete: a synchronization that replaces it has not ended.', remedy: 'Start the peer, which has the complete copy, and let this server synchronize.' },
  'STORE-DAMAGED':{ what: 'The file {file} in the data directory is damaged ({detail}).', remedy: 'Do not delete it alone. Move the whole data directory away and start again: the server gets everything from its peer. If it is the only copy, restore a backup.' },
  'STORE-WRITE':  { what: 'The file {file} in the data directory could not be written ({detail}).', remedy: 'Look at free space and permissions of the data directory.' },
  'STORE-LABEL':  { what: 'The data directory belongs to the {theirs} server; this profile is for the {ours} one.', remedy: 'Check the data directory in the profile: two servers must not share one. In place of a copied one begin with an empty one: the peer brings it up to date.' },
  'STORE-PAIR':   { what: 'The data directory belongs to pair {theirs}; the LockFile belongs to pair {ours}.', remedy: 'Check lockFile and the data directory in the profile. A journal of another pair is never mixed in: move it away to start empty.' },
})
