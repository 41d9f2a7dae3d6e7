// Every key of a profile, one row to a key: the one source of what is read, of what is checked about a single value, of
// the type Profile and of docs/profiles.md. How values must fit together is in rules.ts and pair.ts.

import type { ValueKind } from './values.ts'
import {
  anonymous,
  boolean,
  bytes,
  count,
  host,
  milliseconds,
  names,
  oneOf,
  path,
  patience,
  port,
  secret,
} from './values.ts'
import { syncType, token, url, urls, users } from './values.ts'

export interface Key<V> {
  readonly kind: ValueKind<NonNullable<V>>
  readonly meaning: string
  /** Must be given (for a key with `only`: in a profile of that kind). */
  readonly mandatory: boolean
  /** Used where the key is not given; null: nothing. A function reckons it from what is known by then (read.ts). */
  readonly default: V | ((known: Known) => V)
  /** The default as docs/profiles.md prints it. */
  readonly shown: string
  /** Other names that are accepted: what Fiorano's files call it, misspelt ones too. */
  readonly aliases: readonly string[]
  readonly only: 'FES' | 'FPS' | null
}

/** What a default may be reckoned from. */
export interface Known {
  /** The profile's folder below `profiles`, such as `haprofile1/primary/FES`, or '' where it lies elsewhere. */
  readonly place: string
  readonly leaseMs: number
  readonly dataDirectory: string
}

interface Extra {
  readonly aliases?: readonly string[]
  readonly only?: 'FES' | 'FPS'
  readonly needed?: boolean
}

const row = <V>(
  kind: ValueKind<NonNullable<V>>,
  value: Key<V>['default'],
  shown: string,
  meaning: string,
  x: Extra,
) => ({
  kind,
  meaning,
  mandatory: x.needed === true,
  default: value,
  shown,
  aliases: x.aliases ?? [],
  only: x.only ?? null,
})

/** Must be given. */
const must = <V extends {}>(kind: ValueKind<V>, meaning: string, ...aliases: string[]): Key<V> =>
  row<V>(kind, null as unknown as V, '', meaning, { aliases, needed: true })
/** Has a default. */
const may = <V extends {}>(kind: ValueKind<V>, value: V, meaning: string, x: Extra = {}): Key<V> =>
  row<V>(kind, value, typeof value === 'object' ? 'empty' : String(value), meaning, x)
/** Has a default that depends on other keys. */
const from = <V extends {}>(
  kind: ValueKind<V>,
  value: (known: Known) => V,
  shown: string,
  meaning: string,
  x: Extra = {},
) => row<V>(kind, value, shown, meaning, x) as Key<V>
/** May be left out, and then there is none. */
const none = <V extends {}>(kind: ValueKind<V>, meaning: string, x: Extra = {}): Key<V | null> =>
  row<V | null>(kind as ValueKind<NonNullable<V | null>>, null, 'none', meaning, x)

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const LOCAL = '127.0.0.1'
const inData = (name: string) => (known: Known) => `${known.dataDirectory}/${name}`
const fes = (...aliases: string[]): Extra => ({ aliases, only: 'FES' })
const fps = (...aliases: string[]): Extra => ({ aliases, only: 'FPS' })

// prettier-ignore
export const keys = {
  server: must(oneOf('primary', 'secondary'), 'the configured label of this server; it is not its role'),
  kind: must(oneOf('FES', 'FPS'), 'enterprise server (FES) or peer server (FPS)'),

  host: may(host, LOCAL, 'address on which the back channel listens'),
  port: must(port, 'port on which the back channel listens for the other server', 'Port'),
  backupHAIPAddress: must(host, "address of the other server's back channel", 'BackupHAIPAddress'),
  backupHAPort: must(port, "port of the other server's back channel", 'BackupHAPort'),
  backupServerIp: must(host, 'address of the other server that clients are told to turn to', 'BackupServerIp', 'BackupServerIP'),
  backupServerPort: must(port, 'AMQP port of the other server that clients are told to turn to', 'BackupServerPort'),
  backupServerTlsPort: none(port, 'the same for clients of the TLS port; none: `backupServerPort` where there is no AMQP without TLS, else nothing is told'),
  backupServerMqttPort: none(port, 'MQTT port of the other server, told to MQTT 5 clients as Server Reference'),
  rmiServerPort: must(port, 'port of the admin API and of the health checks', 'RMIServerPort', 'RmiServerPort'),
  backupRMIServerPort: must(port, "port of the other server's admin API", 'BackupRMIServerPort'),

  lockFile: must(path, 'the LockFile in the folder that both servers share', 'LockFile'),
  gatewayServerIPAddress: must(host, 'the gateway: the machine that exports the shared folder', 'GatewayServerIPAddress', 'GatewayServerIpAddress'),
  gatewayServerPort: must(port, 'TCP port of the gateway that is pinged', 'GatewayServerPort'),
  pingInterval: must(milliseconds(20, 600_000), 'P: how often peer and gateway are pinged', 'PingInterval'),
  activeLockReacquisitionInterval: must(milliseconds(20, 600_000), 'R: how often the holder renews the lock', 'ActiveLockReacquisitionInterval', 'ActiveLockReAcquisitionInterval', 'ActiveLockReAcquistionInterval', 'activeLockReAcquistionInterval', 'activeLockReAcquisitionInterval'),
  passiveLockAcquisitionInterval: must(milliseconds(500, 3_600_000), 'Q, the lease: a lock that was not renewed for so long may be taken', 'PassiveLockAcquisitionInterval', 'PassiveLockAcquistionInterval', 'passiveLockAcquistionInterval'),
  startupGrace: from(patience(500, 86_400_000), known => Math.max(5000, known.leaseMs), '5000, at least Q', 'how long a server that starts waits for the other one before it serves alone, if it is in sync; `forever` is what Fiorano does', { aliases: ['StartupGrace'] }),
  singleHost: may(boolean, false, 'both servers run on this machine though their addresses differ (containers, network namespaces): a LockFile on a local disk is then no reason to refuse the start'),

  dataDirectory: from(path, known => (known.place === '' ? 'var' : `var/${known.place}`), 'var/<place of the profile>', 'journal, quarantine and repositories'),
  appRepositoryPath: from(path, inData('repository/applications'), '<dataDirectory>/repository/applications', 'repository of applications', fes('AppRepositoryPath', 'ApplicationRepositoryPath')),
  componentRepositoryPath: from(path, inData('repository/components'), '<dataDirectory>/repository/components', 'repository of components', fes('ComponentRepositoryPath')),
  fpsRepositoryPath: from(path, inData('repository/peer'), '<dataDirectory>/repository/peer', 'repository of a peer server', fps('FPSRepositoryPath', 'FpsRepositoryPath')),
  applicationSyncType: may(syncType, 'FULL_SYNC', 'how applications are brought in step', fes('ApplicationSyncType')),
  componentSyncType: may(syncType, 'FULL_SYNC', 'how components are brought in step', fes('ComponentSyncType')),
  primaryURL: none(url, 'the enterprise server that a peer server belongs to', { ...fps('PrimaryURL', 'primaryUrl'), needed: true }),
  backupURLs: may(urls, [], 'further addresses of the enterprise server', fps('BackupURLs', 'backupUrls')),

  'listeners.amqp.host': may(host, LOCAL, 'address on which AMQP 1.0 clients are served'),
  'listeners.amqp.port': none(port, 'AMQP port; none: no AMQP without TLS'),
  'listeners.amqp.tls.port': none(port, 'AMQP port with TLS'),
  'listeners.amqp.tls.certFile': none(path, 'certificate chain, PEM'),
  'listeners.amqp.tls.keyFile': none(path, 'private key, PEM; it and the certificate are read again when they change'),
  'listeners.amqp.tls.clientCaFile': none(path, "what signs clients' certificates, PEM; none: clients are not asked for one. A client with one may come in under its common name"),
  'listeners.amqp.tls.clientCertificate': may(oneOf('optional', 'required'), 'optional', 'whether a client without such a certificate is let into the TLS port at all'),
  'listeners.amqp.ws.port': none(port, 'AMQP over WebSocket (subprotocol `amqp`)'),
  'listeners.amqp.ws.origins': may(names, [], 'origins of web pages that may connect to the WebSocket ports (`https://app.example`); `*`: any page. Clients that are no browsers need none'),
  'listeners.amqp.wss.port': none(port, 'AMQP over WebSocket with TLS, with the certificate of `listeners.amqp.tls`'),
  'listeners.mqtt.host': may(host, LOCAL, 'address on which MQTT clients are served'),
  'listeners.mqtt.port': none(port, 'MQTT port; none: no MQTT without TLS'),
  'listeners.mqtt.keepAliveSeconds': may(count(10, 65_535), 3600, 'longest keep alive: clients of MQTT 5 that ask for a longer one, or none, are told this one'),
  'listeners.mqtt.tls.port': none(port, 'MQTT port with TLS'),
  'listeners.mqtt.tls.certFile': none(path, 'certificate chain, PEM'),
  'listeners.mqtt.tls.keyFile': none(path, 'private key, PEM; it and the certificate are read again when they change'),
  'listeners.mqtt.tls.clientCaFile': none(path, "what signs clients' certificates, PEM; none: clients are not asked for one. A client with one may come in under its common name"),
  'listeners.mqtt.tls.clientCertificate': may(oneOf('optional', 'required'), 'optional', 'whether a client without such a certificate is let into the TLS port at all'),
  'listeners.mqtt.ws.port': none(port, 'MQTT over WebSocket (subprotocol `mqtt`)'),
  'listeners.mqtt.ws.origins': may(names, [], 'origins of web pages that may connect to the WebSocket ports (`https://app.example`); `*`: any page. Clients that are no browsers need none'),
  'listeners.mqtt.wss.port': none(port, 'MQTT over WebSocket with TLS, with the certificate of `listeners.mqtt.tls`'),
  'admin.host': may(host, LOCAL, 'address of the admin API; beyond loopback it needs security.adminToken'),

  'queues.createOnUse': may(boolean, true, 'queues are made when a client first names them'),
  'queues.declared': may(names, [], 'queues that are there from the beginning'),

  'limits.connections': may(count(1, 100_000), 1000, 'client connections'),
  'limits.userConnections': none(count(1, 100_000), 'connections of one user'),
  'limits.userInFlightMessages': none(count(1, 10_000_000), 'messages that one user has sent and that have no answer yet, over all its connections'),
  'limits.userInFlightBytes': none(bytes(64 * KiB, 64 * GiB), 'bytes of these'),
  'limits.messageBytes': may(bytes(KiB, 64 * MiB), 1 * MiB, 'size of one message'),
  'limits.queues': may(count(1, 1_000_000), 10_000, 'queues'),
  'limits.queueMessages': may(count(1, 100_000_000), 10_000_000, 'messages in one queue'),
  'limits.queueBytes': may(bytes(64 * KiB, 64 * GiB), 4 * GiB, 'bytes of messages in one queue'),
  'limits.storeBytes': may(bytes(1 * MiB, 4096 * GiB), 8 * GiB, 'bytes of messages in all queues, in memory or paged out to disk'),
  'limits.memoryBytes': may(bytes(1 * MiB, 256 * GiB), 512 * MiB, 'of these what may be in memory: from half of it on messages are paged out'),
  'limits.retainedMessages': may(count(1, 10_000_000), 200_000, 'retained messages of MQTT'),
  'limits.retainedBytes': may(bytes(64 * KiB, 64 * GiB), 128 * MiB, 'bytes of retained messages; all are in memory'),
  'limits.mqttSessions': may(count(1, 10_000_000), 100_000, 'MQTT sessions that outlive their connections or have a will'),
  'limits.subscriptions': may(count(1, 100_000_000), 1_000_000, 'subscriptions to topics that outlive their connections, of all clients together'),
  'limits.connectionBacklogBytes': may(bytes(64 * KiB, 256 * MiB), 4 * MiB, 'bytes that wait to be written to one client'),
  'limits.sessionsPerConnection': may(count(1, 65_535), 64, 'AMQP sessions on one connection'),
  'limits.linksPerConnection': may(count(1, 65_535), 256, 'AMQP links on one connection'),
  'limits.journalSegmentBytes': may(bytes(256 * KiB, 1 * GiB), 64 * MiB, 'one segment file of the journal, allocated ahead'),
  'limits.journalTailBytes': may(bytes(256 * KiB, 1 * GiB), 16 * MiB, 'newest records kept in memory for the other server'),
  'limits.snapshotEveryBytes': may(bytes(256 * KiB, 64 * GiB), 64 * MiB, 'journal that may pile up before a snapshot is written; a server that was started anew folds so much before it can take over'),
  'limits.replicationWindowBytes': may(bytes(256 * KiB, 1 * GiB), 32 * MiB, 'records on their way to the other server and not confirmed'),

  'security.pairSecret': none(secret, 'what both servers prove to each other on the back channel; none: the shipped one, for loopback only'),
  'security.pairSecretFile': none(path, 'file that holds the secret instead'),
  'security.backChannelTls': may(boolean, false, 'TLS on the back channel'),
  'security.certFile': none(path, 'certificate of the back channel, PEM'),
  'security.keyFile': none(path, 'private key of the back channel, PEM'),
  'security.caFile': none(path, "what signed the other server's certificate, PEM; none: both use the same certificate"),
  'security.anonymous': may(anonymous, 'loopback', 'who may come in without a name (SASL ANONYMOUS, MQTT without user)'),
  'security.users': may(users, new Map<string, string>(), 'users that are there from the beginning; `lockstep user` makes more at run time, in the store that both servers share'),
  'security.auditLog': none(path, 'file that gets a line for every sign-in, refusal and change of accounts and permissions'),
  'limits.auditBytes': may(bytes(64 * KiB, 64 * GiB), 64 * MiB, 'size at which the audit log is set aside as `<file>.1` and begun anew'),
  'security.adminToken': none(token, 'bearer token of the admin API'),

  'diagnostics.ackLog': none(path, 'file that gets one line per batch of acknowledgements, for drills'),
}

export type KeyName = keyof typeof keys
type ValueOf<K> = K extends Key<infer V> ? V : never
export type Values = { readonly [Name in KeyName]: ValueOf<(typeof keys)[Name]> }

export const keyNames = Object.keys(keys) as KeyName[]

const canonical = new Map<string, KeyName>()
for (const name of keyNames) for (const known of [name, ...keys[name].aliases]) canonical.set(known, name)

/** The key that a name in a file stands for: itself, or one of its aliases. */
export const keyOf = (name: string): KeyName | undefined => canonical.get(name)

/** All names that a file may use. */
export const allNames: readonly string[] = [...canonical.keys()]

/** True for `limits`, `listeners.amqp` and the like: names that only hold further keys. */
export const isSection = (name: string): boolean => keyNames.some(key => key.startsWith(`${name}.`))
