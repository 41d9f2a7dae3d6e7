// Faults of the back channel itself, coded: strangers, wrong secrets, frames that are none, silence. What replication
// finds wrong with a peer that it does talk to is in errors.ts.

import { defineErrors } from '../base/errors.ts'

// prettier-ignore
export const channelError = defineErrors('CHANNEL', {
  FRAME:        { what: 'A frame on the back channel is not as it must be ({detail}).', remedy: 'The connection is closed. If it comes from the peer, check that both servers run the same version; else something that is no Lockstep server talks to this port: find it or shut it out.' },
  VERSION:      { what: 'The other server speaks version {theirs} of the back channel, this one version {ours}.', remedy: 'Install the same version on both servers.' },
  SECRET:       { what: 'The server at {remote} does not know the secret of this pair.', remedy: 'If it is the peer: set the same secret in both profiles and restart the one that was wrong. If it is not: it was kept out; find out what it is.' },
  LABEL:        { what: 'The server at {remote} calls itself {label}, and so does this one.', remedy: 'Set server: primary in one profile and server: secondary in the other, and check backupHAIPAddress and backupHAPort of both.' },
  SELF:         { what: 'This server has reached itself at {remote}.', remedy: 'Set backupHAIPAddress and backupHAPort to the address and the back channel port of the other server.' },
  THIRD:        { what: 'A second {label} server at {remote} claims the back channel while the first one is alive; the first one stays.', remedy: 'Stop one of the two: a pair has one {label} server. Look for a profile that was copied or started twice.' },
  SECOND:       { what: 'A second channel to the same peer was opened while the first one works; the first one stays.', remedy: 'None.' },
  REFUSED:      { what: 'The server at {remote} refuses this one: {code}: {text}', remedy: 'Look at the console of the other server, which says the same.' },
  HANDSHAKE:    { what: 'The other end at {remote} did not prove within {ms} ms that it is the peer.', remedy: 'None if it was a port scan. If it is the peer, look at its load and at the network between the servers.' },
  STRANGER:     { what: 'Something that is no Lockstep server has connected to the back channel ({detail}).', remedy: 'It was kept out. Nothing is wrong where lockstep doctor is run on the other host; else, if it goes on, find it, or let only the peer reach this port.' },
  LEFT:         { what: 'The other end at {remote} left before it had proved that it is the peer ({why}).', remedy: 'None, unless it goes on.' },
  CROWD:        { what: 'More than {limit} connections that have proved nothing are open on the back channel; the oldest are closed.', remedy: 'A channel that is up is not touched. Find out who connects, or let only the peer reach this port.' },
  SILENCE:      { what: 'Nothing came from the peer for {ms} ms.', remedy: 'Look whether the peer is running and whether the network between the servers works.' },
  STUCK:        { what: 'The peer has taken nothing of {bytes} bytes for {ms} ms.', remedy: 'Look at the load of the peer and at the network between the servers.' },
  OVERFLOW:     { what: 'More than {limit} bytes wait to be sent to the peer.', remedy: 'The connection is closed and synchronization begins again. Look at the load of the peer and at the network between the servers.' },
  UNREACHABLE:  { what: 'The peer cannot be reached ({detail}).', remedy: 'Start the other server; check backupHAIPAddress, backupHAPort and the network between the servers.' },
})
