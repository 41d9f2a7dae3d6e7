// Everything that can be wrong with a profile, or with two of them as a pair. `{where}` is the file and line, or the
// option, that the value came from; faults keep a server from starting, warnings (see WARNINGS) do not.

import { defineErrors } from '../base/errors.ts'

export const profileErrors = {
  'NO-FILE': {
    what: '{where}: there is no readable profile.yaml here ({problem}).',
    remedy: 'Name a folder that holds a profile.yaml, such as profiles/haprofile1/primary/FES.',
  },
  YAML: {
    what: '{where}: this is not YAML: {problem}.',
    remedy: 'Correct the line; keys and values are written as `key: value`.',
  },
  OVERRIDE: {
    what: '{where}: an override is written key=value.',
    remedy: 'Write for example --set pingInterval=500 or --set listeners.amqp.port=5672.',
  },
  UNKNOWN: {
    what: '{where}: there is no key {key}{nearest}.',
    remedy: 'Correct or remove it; docs/profiles.md lists all keys.',
  },
  TWICE: {
    what: '{where}: {key} is given twice, also at {other}.',
    remedy: 'Keep one of them; the names {key} and {alias} mean the same.',
  },
  MISSING: {
    what: '{where}: the key {key} is missing: {meaning}.',
    remedy: 'Add {key} ({rule}).',
  },
  TYPE: {
    what: '{where}: {key} is {value}, but must be {rule}.',
    remedy: 'Give {key} a value of that kind.',
  },
  UNIT: {
    what: '{where}: {key} is {value}, and that is not a unit for it: {rule}.',
    remedy: 'Write a number, or a number with one of these units.',
  },
  RANGE: {
    what: '{where}: {key} is {value}, but must be {rule}.',
    remedy: 'Choose a value in that range.',
  },
  KIND: {
    what: '{where}: {key} is only for a profile of kind {rule}, and this one is of kind {value}.',
    remedy: 'Remove {key}, or correct `kind`.',
  },
  'LEASE-RATIO': {
    what: '{where}: {text} (rule: {rule}).',
    remedy: 'Raise passiveLockAcquisitionInterval or lower activeLockReacquisitionInterval, on both servers alike.',
  },
  'LEASE-MARGIN': {
    what: '{where}: {text} (rule: {rule}).',
    remedy: 'Raise passiveLockAcquisitionInterval or lower activeLockReacquisitionInterval, on both servers alike.',
  },
  'LEASE-TIGHT': {
    what: '{where}: {text} (rule: {rule}).',
    remedy: 'Better raise passiveLockAcquisitionInterval, on both servers alike.',
  },
  MULTIPLE: {
    what: '{where}: {text} (rule: {rule}).',
    remedy: 'Write the value that will be used, or choose pingInterval so that it divides, on both servers alike.',
  },
  GRACE: {
    what:
      '{where}: startupGrace is {value} ms, but must be at least passiveLockAcquisitionInterval ({least} ms): ' +
      'a peer that is only restarting must have its chance to come first.',
    remedy: 'Raise startupGrace, or write `forever` to wait for the peer without end.',
  },
  PORTS: {
    what: '{where}: {key} is {value}, and so is {other}: two listeners can not have one port.',
    remedy: 'Give one of them another port.',
  },
  PATHS: {
    what: '{where}: {key} is {value}, but {rule}.',
    remedy: 'Choose another path for {key}.',
  },
  SECRET: {
    what:
      "{where}: this profile uses the secret that is shipped with the product, but {key} ({value}) is not on this machine's " +
      'loopback: everybody knows that secret.',
    remedy:
      'Set security.pairSecret (or security.pairSecretFile) to 16 or more characters of your own, on both servers.',
  },
  'SECRET-FILE': {
    what: '{where}: {key} names {value}, {problem}.',
    remedy: 'Put the secret (16 or more characters) into that file, readable for the server.',
  },
  TOKEN: {
    what: '{where}: {key} is {value}, which other machines can reach, and security.adminToken is not set.',
    remedy: 'Set security.adminToken, or let the admin port listen on 127.0.0.1.',
  },
  USERS: {
    what: '{where}: security.anonymous is never and security.users is empty: no client comes in before an account is made.',
    remedy: 'Make accounts with lockstep user set, or name users under security.users.',
  },
  TLS: {
    what: '{where}: {key} {rule}.',
    remedy: 'A TLS listener needs both a certificate and its key, as PEM files.',
  },
  LIMITS: {
    what: '{where}: {key} is {value}, but must be {rule}.',
    remedy: 'Change one of the two limits.',
  },
  'NO-LISTENER': {
    what: '{where}: no client port is configured: neither listeners.amqp nor listeners.mqtt has a port.',
    remedy: 'Set listeners.amqp.port.',
  },
  'SAME-PLACE': {
    what: '{where}: backupHAIPAddress and backupHAPort ({value}) name this server itself.',
    remedy: 'Let them name the back channel of the other server.',
  },
  OPEN: {
    what: '{where}: {key} ({value}) can be reached from other machines, and clients from everywhere come in without a name.',
    remedy: 'Set security.anonymous to loopback or never and make accounts, or be sure that the network is closed.',
  },
  GATEWAY: {
    what:
      '{where}: gatewayServerIPAddress is {value}, this machine, but the backup server is on another: ' +
      'a gateway on this machine says nothing about being cut off.',
    remedy: 'Name the machine that exports the folder of the LockFile.',
  },
  'PAIR-LABELS': {
    what: '{where}: both profiles are the {value} server.',
    remedy: 'Let one say `server: primary` and the other `server: secondary`.',
  },
  'PAIR-KIND': {
    what: '{where}: kind is {value} here and {other} in {there}.',
    remedy: 'A pair is of one kind.',
  },
  'PAIR-CROSS': {
    what: '{where}: {key} is {value}, but {rule} in {there} is {other}.',
    remedy: 'Let each server name the other one: the addresses and ports go crosswise.',
  },
  'PAIR-LOCKFILE': {
    what: '{where}: lockFile is {value} here and {other} in {there}.',
    remedy:
      'Both must name one file in one shared folder; where the folder is mounted at different places, mount it alike.',
  },
  'PAIR-INTERVALS': {
    what: '{where}: {key} is {value} here and {other} in {there}.',
    remedy: 'Give both servers the same intervals: the lease of the lock is a promise between them.',
  },
  'PAIR-SECRET': {
    what: '{where}: the secret of the pair is not the same as in {there}.',
    remedy: 'Give both servers the same security.pairSecret (or file).',
  },
  'PAIR-TLS': {
    what: '{where}: security.backChannelTls is {value} here and {other} in {there}.',
    remedy: 'Use TLS on the back channel on both servers or on none.',
  },
  'PAIR-LIMITS': {
    what: '{where}: {key} is {value} here and {other} in {there}: one server could take what the other must refuse.',
    remedy: 'Give both servers the same limit.',
  },
  'PAIR-PORTS': {
    what: '{where}: {key} is {value}, and so is {other} in {there}, on the same machine.',
    remedy: 'Give one of them another port.',
  },
  'PAIR-DATA': {
    what: '{where}: dataDirectory is {value}, and so it is in {there}, on the same machine.',
    remedy: 'Give each server a data directory of its own.',
  },
  'PAIR-GATEWAY': {
    what: '{where}: the gateway is {value} here and {other} in {there}.',
    remedy: 'Make sure that both names mean the one machine that exports the folder of the LockFile.',
  },
} as const

export type ProfileErrorName = keyof typeof profileErrors

/** These are told to the operator and keep nothing from starting. */
export const WARNINGS: ReadonlySet<ProfileErrorName> = new Set<ProfileErrorName>([
  'LEASE-TIGHT',
  'MULTIPLE',
  'OPEN',
  'USERS',
  'GATEWAY',
  'PAIR-GATEWAY',
])

export const profileError = defineErrors('PROFILE', profileErrors)
