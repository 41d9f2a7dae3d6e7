// Faults that the conductor tells the operator of. The lock's own are in lock-errors.ts.

import { defineErrors } from '../base/errors.ts'

export const haError = defineErrors('HA', {
  'REGISTER-BEHIND': {
    what: 'The newest LockFile record that can be read at {lockFile} is number {seen}, but this pair has known number {known}.',
    remedy:
      'The share was rolled back, the LockFile was deleted, or this server looks at another folder than its peer. Mount the right share; if the share was restored from a backup, start the server with the later position first, and use force-active if neither may serve.',
  },
  'FOREIGN-LOCKFILE': {
    what: 'The LockFile {lockFile} belongs to the pair {theirs}, and the data directory of this server to the pair {ours}.',
    remedy: 'Correct lockFile or the data directory in the profile; each pair needs a LockFile of its own.',
  },
  'STORE-SHORT': {
    what: 'The LockFile lists this store as in sync up to {listed}, but it only reaches {have}.',
    remedy:
      'The data directory was restored from an old backup or damaged. This server will not serve from it; start the peer, and this copy is brought up to date.',
  },
  'FOREIGN-PAIR': {
    what: 'The peer belongs to the pair {theirs}, this server to the pair {ours}.',
    remedy:
      'Correct the addresses or the data directory of one of them; a data directory belongs to one pair for ever.',
  },
  'SAME-STORE': {
    what: 'The peer has the same store id {store}: its data directory is a copy of this one.',
    remedy:
      'Empty the data directory of the server that was set up by copying; it is then brought up to date by its peer.',
  },
  'INTERVALS-DIFFER': {
    what: 'The peer works with {key} {theirs}, this server with {ours}.',
    remedy: 'Set {key} to the same value in both profiles.',
  },
  'KIND-DIFFERS': {
    what: 'The peer is of kind {theirs}, this server of kind {ours}.',
    remedy: 'Pair two profiles of the same kind.',
  },
  'NOT-PASSIVE': {
    what: 'A switchover needs this server ACTIVE and its peer PASSIVE; they are {role} and {peer}.',
    remedy: 'Wait until the pair is ACTIVE and PASSIVE (lockstep status --watch), and ask the active server.',
  },
  'HANDOVER-REFUSED': {
    what: 'Nothing is handed over, because the passive server could not take over: {reason}',
    remedy: 'This server goes on, and its clients noticed nothing. Mend what the reason names, then ask again.',
  },
  'HANDOVER-NOT-YET': {
    what: 'Nothing is handed over, because the passive server could not take over at once: {reason}',
    remedy: 'This server goes on, and its clients noticed nothing. Ask again in a moment.',
  },
  'STOP-UNCOVERED': {
    what: 'A stop of this server now would end the service: {reason}',
    remedy:
      'Nothing was stopped. Mend what the reason names first; lockstep stop --anyway stops all the same, and nobody serves then until the LockFile can be reached.',
  },
  'HANDOVER-FAILED': {
    what: 'The handover did not come about: {reason}',
    remedy: 'This server goes on. Look at the console of the peer for the reason, then ask again.',
  },
  'NOT-FORCIBLE': {
    what: 'force-active is for a server that is WAITING, or PASSIVE with its peer gone and a LockFile that went back; this one is {role}, its peer {peer}.',
    remedy:
      'Where clients are served nothing needs forcing. Where they are not, lockstep status --why says what this server waits for; if that does not come again, restart this server and force it then: it is WAITING after its start.',
  },
  'FORCE-NO-GATEWAY': {
    what: 'Nothing is forced: the gateway does not answer, and without it no server becomes active.',
    remedy: 'See to it that this server reaches the gateway (gatewayServerIPAddress), then give the order again.',
  },
  'FORCE-LAPSED': {
    what: 'The server could not become active within {limitMs} ms; the order to force it has lapsed.',
    remedy:
      'See lockstep status --why for what it waits for; look at the other server before you give the order again.',
  },
  'JOURNAL-FAILED': {
    what: 'The journal cannot be used any more: {reason}',
    remedy:
      'This server stops so that its peer takes over. Mend the disk (space, rights, hardware) and start it again.',
  },
  'KEEPER-SILENT': {
    what: 'The keeper process of this server has given no sign of life for {silenceMs} ms: the lock is not renewed.',
    remedy:
      'It is stopped (SIGSTOP, a debugger) or the machine is badly overloaded. After {limitMs} ms it counts as dead: the broker kills it, hands over and ends.',
  },
  'KEEPER-FROZEN': {
    what: 'The keeper process of this server has given no sign of life for {silenceMs} ms and is killed.',
    remedy:
      'The broker hands over and ends; a supervisor (docs/operations.md) starts the server again. Find out what stopped the process or starved it of CPU.',
  },
  'GATEWAY-LOST': {
    what: 'The gateway does not answer.',
    remedy:
      'The server that serves goes on, but unprotected: while the gateway does not answer, a server that loses its peer does not take over. Check the network to the gateway, gatewayServerIPAddress and gatewayServerPort.',
  },
  'PEER-FAILED': {
    what: 'Working with the peer has failed: {reason}',
    remedy: 'The back channel is opened anew. If it happens again, look at both consoles.',
  },
  'CUT-OFF': {
    what: 'Neither the peer nor the gateway can be reached: this server is cut off and does not try for the lock.',
    remedy:
      'Check this machine’s network, gatewayServerIPAddress and gatewayServerPort, and that something answers there (lockstep gateway does). It goes on by itself when the peer or the gateway answers.',
  },
})
