// How the values of one profile must fit together. One row to a rule: which keys it needs (it is left out where one of
// them is faulty or missing, so that one mistake is told once) and what it checks. Two profiles as a pair: pair.ts.

import type { ProfileErrorName } from './errors.ts'
import { quote, type FaultList, type Source } from './faults.ts'
import { checkIntervals } from './intervals.ts'
import type { KeyName, Values } from './keys.ts'
import { isAnyAddress, isLoopback, sameListener, sameMachine } from './network.ts'

/** What reading and checking may ask of the disk. Nothing is opened for writing. */
export interface ProfileWorld {
  kindOf(path: string): 'file' | 'folder' | 'other' | 'none'
  /** The text of a small file, or what is wrong with it. */
  read(path: string): { readonly text: string } | { readonly problem: string }
}

export interface Subject {
  readonly values: Partial<Values>
  readonly at: (name: KeyName) => Source
  readonly list: FaultList
  readonly world: ProfileWorld
  readonly root: string
  readonly usesShippedSecret: boolean
}

type Add = (name: ProfileErrorName, key: KeyName, details?: Readonly<Record<string, string | number>>) => void

interface Rule {
  readonly needs: readonly KeyName[]
  readonly check: (values: Values, add: Add, subject: Subject) => void
}

const rule = <K extends KeyName>(
  needs: readonly K[],
  check: (values: Pick<Values, K>, add: Add, subject: Subject) => void,
): Rule => ({ needs, check: check as Rule['check'] })

const INTERVALS = ['pingInterval', 'activeLockReacquisitionInterval', 'passiveLockAcquisitionInterval'] as const
const LISTENERS = ['listeners.amqp', 'listeners.mqtt'] as const

const intervals = rule(INTERVALS, (v, add) => {
  for (const { name, key, text, rule } of checkIntervals(v)) add(name, key, { value: v[key], text, rule })
})

const grace = rule(['startupGrace', 'passiveLockAcquisitionInterval'], (v, add) => {
  const [value, least] = [v.startupGrace, v.passiveLockAcquisitionInterval]
  if (value !== 'forever' && value < least) add('GRACE', 'startupGrace', { value, least })
})

/** Every port that this profile opens or names on a machine, with the address it lies at. */
export function ports(v: Partial<Values>): { key: KeyName; host: string; port: number; own: boolean }[] {
  const found: { key: KeyName; host: string; port: number; own: boolean }[] = []
  const put = (key: KeyName, host: unknown, own: boolean) => {
    const port = v[key]
    if (typeof port === 'number' && typeof host === 'string') found.push({ key, host, port, own })
  }
  put('port', v.host, true)
  put('rmiServerPort', v['admin.host'], true)
  for (const listener of LISTENERS) {
    put(`${listener}.port`, v[`${listener}.host`], true)
    put(`${listener}.tls.port`, v[`${listener}.host`], true)
    put(`${listener}.ws.port`, v[`${listener}.host`], true)
    put(`${listener}.wss.port`, v[`${listener}.host`], true)
  }
  put('gatewayServerPort', v.gatewayServerIPAddress, false)
  put('backupHAPort', v.backupHAIPAddress, false)
  put('backupServerPort', v.backupServerIp, false)
  put('backupServerTlsPort', v.backupServerIp, false)
  put('backupServerMqttPort', v.backupServerIp, false)
  // The peer's admin port has no address of its own: it lies on the machine of its back channel.
  put('backupRMIServerPort', v.backupHAIPAddress, false)
  return found
}

const collisions = rule([], (v, add) => {
  const all = ports(v as Partial<Values>)
  for (const [i, later] of all.entries()) {
    // The other server's own back channel is told more precisely by SAME-PLACE.
    const clash = all.slice(0, i).find(former => {
      if (former.port !== later.port || !(former.own || later.own)) return false
      if (former.own && later.own) return sameListener(former.host, later.host)
      if (former.key === 'port' && later.key === 'backupHAPort') return false
      return sameMachine(former.host, later.host)
    })
    if (clash !== undefined) add('PORTS', later.key, { value: later.port, other: clash.key })
  }
})

const itself = rule(['host', 'port', 'backupHAIPAddress', 'backupHAPort'], (v, add) => {
  if (v.port === v.backupHAPort && sameMachine(v.host, v.backupHAIPAddress))
    add('SAME-PLACE', 'backupHAPort', { value: `${v.backupHAIPAddress}:${v.backupHAPort}` })
})

const CLIENT_PORTS = LISTENERS.flatMap(
  at => [`${at}.port`, `${at}.tls.port`, `${at}.ws.port`, `${at}.wss.port`] as const,
)
const clientPorts = rule(CLIENT_PORTS, (v, add) => {
  if (CLIENT_PORTS.every(key => v[key] === null)) add('NO-LISTENER', 'listeners.amqp.port')
})

const within = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}/`)

const paths = rule(['lockFile', 'dataDirectory'], (v, add, { world, root }) => {
  const { lockFile, dataDirectory: data } = v
  const put = (key: KeyName, value: string, broken: string) => add('PATHS', key, { value, rule: broken })
  // The share itself is not asked: it may hang, and a broker reads its profile too. The doctor looks there.
  if (within(lockFile, data)) put('lockFile', lockFile, `it lies in the data directory of one server (${data})`)
  if (within(data, lockFile)) put('dataDirectory', data, 'it lies in the place of the LockFile')
  if (within(lockFile, `${root}/profiles`)) put('lockFile', lockFile, 'nothing is written into the folder of profiles')
  if (within(data, `${root}/profiles`)) put('dataDirectory', data, 'nothing is written into the folder of profiles')
  if (['file', 'other'].includes(world.kindOf(data))) put('dataDirectory', data, 'that is not a folder')
})

const repositories = rule(['appRepositoryPath', 'componentRepositoryPath', 'dataDirectory'], (v, add) => {
  const [value, other] = [v.componentRepositoryPath, v.appRepositoryPath]
  if (within(value, other) || within(other, value))
    add('PATHS', 'componentRepositoryPath', { value, rule: `it and appRepositoryPath (${other}) lie in one another` })
  for (const key of ['appRepositoryPath', 'componentRepositoryPath'] as const)
    if (within(v.dataDirectory, v[key]))
      add('PATHS', key, { value: v[key], rule: `the data directory (${v.dataDirectory}) lies in it` })
})

const shippedSecret = rule([], (_v, add, subject) => {
  if (!subject.usesShippedSecret) return
  const outside = HOSTS.find(key => !isLoopback(String(subject.values[key] ?? '127.0.0.1')))
  if (outside !== undefined) add('SECRET', outside, { value: String(subject.values[outside]) })
})
const HOSTS: readonly KeyName[] = [
  'host',
  'backupHAIPAddress',
  'backupServerIp',
  'listeners.amqp.host',
  'listeners.mqtt.host',
  'admin.host',
  'gatewayServerIPAddress',
]

const adminToken = rule(['admin.host', 'security.adminToken'], (v, add) => {
  if (v['security.adminToken'] === null && !isLoopback(v['admin.host']))
    add('TOKEN', 'admin.host', { value: v['admin.host'] })
})

const clientsCanComeIn = rule(['security.anonymous', 'security.users'], (v, add) => {
  if (v['security.anonymous'] === 'never' && v['security.users'].size === 0)
    add('USERS', 'security.anonymous', { value: 'never' })
})

const open = LISTENERS.map(listener =>
  rule(['security.anonymous', `${listener}.host`], (v, add) => {
    const value = v[`${listener}.host`]
    if (v['security.anonymous'] === 'always' && !isLoopback(value)) add('OPEN', `${listener}.host`, { value })
  }),
)

const listenerTls = LISTENERS.map(listener => {
  const [port, cert, key] = [`${listener}.tls.port`, `${listener}.tls.certFile`, `${listener}.tls.keyFile`] as const
  const wss = `${listener}.wss.port` as const
  const [ca, asked] = [`${listener}.tls.clientCaFile`, `${listener}.tls.clientCertificate`] as const
  return rule([port, wss, cert, key, ca, asked], (v, add, { world }) => {
    pemFile(ca, v[ca], add, world)
    if (v[asked] === 'required' && v[ca] === null) add('TLS', ca, { rule: `is missing for ${asked}` })
    for (const file of [cert, key] as const) {
      for (const each of [port, wss] as const)
        if (v[each] !== null && v[file] === null) add('TLS', file, { rule: `is missing for ${each}` })
      if (v[port] === null && v[wss] === null && v[file] !== null)
        add('TLS', file, { rule: `is given, but neither ${port} nor ${wss}` })
      pemFile(file, v[file], add, world)
    }
  })
})

const channelTls = rule(
  ['security.backChannelTls', 'security.certFile', 'security.keyFile', 'security.caFile'],
  (v, add, { world }) => {
    for (const file of ['security.certFile', 'security.keyFile'] as const)
      if (v['security.backChannelTls'] && v[file] === null)
        add('TLS', file, { rule: 'is missing for security.backChannelTls' })
    for (const file of ['security.certFile', 'security.keyFile', 'security.caFile'] as const)
      pemFile(file, v[file], add, world)
  },
)

function pemFile(key: KeyName, path: string | null, add: Add, world: ProfileWorld): void {
  if (path === null) return
  const found = world.read(path)
  if ('problem' in found)
    add('TLS', key, { value: path, rule: `names ${path}, which can not be read: ${found.problem}` })
  else if (!found.text.includes('-----BEGIN '))
    add('TLS', key, { value: path, rule: `names ${path}, which is no PEM file` })
}

const gateway = rule(['gatewayServerIPAddress', 'backupHAIPAddress', 'host'], (v, add) => {
  const value = v.gatewayServerIPAddress
  const apart = !isLoopback(v.backupHAIPAddress) && !sameMachine(v.backupHAIPAddress, v.host)
  const here = isLoopback(value) || (sameMachine(value, v.host) && !isAnyAddress(v.host))
  if (apart && here) add('GATEWAY', 'gatewayServerIPAddress', { value })
})

/** `more` must be at least `times` the other limit. */
const atLeast = (more: KeyName, times: number, less: KeyName): Rule =>
  rule([more, less], (v, add) => {
    const [value, other] = [Number(v[more]), Number(v[less])]
    if (value < times * other) {
      const factor = times === 1 ? '' : `${times} times `
      add('LIMITS', more, { value, rule: `at least ${factor}${less} (${quote(other)}): ${times * other}` })
    }
  })

const rules: readonly Rule[] = [
  intervals,
  grace,
  collisions,
  itself,
  clientPorts,
  paths,
  repositories,
  shippedSecret,
  adminToken,
  clientsCanComeIn,
  ...open,
  ...listenerTls,
  channelTls,
  gateway,
  atLeast('limits.queueBytes', 1, 'limits.messageBytes'),
  atLeast('limits.memoryBytes', 2, 'limits.messageBytes'),
  atLeast('limits.storeBytes', 1, 'limits.memoryBytes'),
  atLeast('limits.connectionBacklogBytes', 2, 'limits.messageBytes'),
  atLeast('limits.journalSegmentBytes', 2, 'limits.messageBytes'),
  atLeast('limits.journalTailBytes', 2, 'limits.messageBytes'),
  atLeast('limits.replicationWindowBytes', 2, 'limits.messageBytes'),
]

export function checkProfile(subject: Subject): void {
  const add: Add = (name, key, details) => subject.list.add(name, subject.at(key), { key, ...details })
  for (const { needs, check } of rules)
    if (needs.every(key => subject.values[key] !== undefined)) check(subject.values as Values, add, subject)
}
