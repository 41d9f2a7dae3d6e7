// What the doctor finds out about this machine and its network: who it is, whether addresses are its own, what can be
// reached, which ports are free, what its clock is. Each question has a time limit. Judged in src/doctor/host.ts.

import { lookup } from 'node:dns/promises'
import { readFileSync, existsSync } from 'node:fs'
import { connect } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import type { ClockFacts, PortFacts, Reached } from '../doctor/host.ts'
import type { Identity } from '../doctor/peer.ts'
import { isAnyAddress, isLoopback } from '../profiles/network.ts'
import type { Profile } from '../profiles/profile.ts'
import { realClock as clock } from './clock.ts'
import { tryPort } from './try-port.ts'

/** A file of the kernel or of the system; '' where there is none. */
export const systemFile = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

export const whoAmI = (profile: Profile, session: string, leaseMs: number): Identity => ({
  label: profile.server,
  session,
  hostName: hostname(),
  machine: systemFile('/etc/machine-id'),
  boot: systemFile('/proc/sys/kernel/random/boot_id'),
  user: process.geteuid?.() ?? 0,
  leaseMs,
})

export const mountinfo = (): string | null => systemFile('/proc/self/mountinfo') || null

export const recoverLostLocks = (): string => systemFile('/sys/module/nfs/parameters/recover_lost_locks')

const ownAddresses = (): Set<string> =>
  new Set(Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(entry => entry.address)))

/** Without asking the network: a name that the hosts file does not have is unknown. */
export function isHere(address: string, known: readonly string[] = []): 'yes' | 'no' | 'unknown' {
  if (isLoopback(address) || isAnyAddress(address)) return 'yes'
  const name = address.toLowerCase()
  if (name === hostname().toLowerCase()) return 'yes'
  const addresses = /^[\d.]+$|:/.test(address) ? [address] : [...inHostsFile(name), ...known]
  if (addresses.length === 0) return 'unknown'
  const own = ownAddresses()
  return addresses.some(each => own.has(each) || isLoopback(each)) ? 'yes' : 'no'
}

const inHostsFile = (name: string): string[] =>
  systemFile('/etc/hosts')
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim().split(/\s+/))
    .filter(([, ...names]) => names.some(each => each.toLowerCase() === name))
    .flatMap(([address]) => (address === undefined ? [] : [address]))

/** The same, with the name asked for; a resolver that says nothing in time leaves it unknown. */
export async function isHereAfterAsking(address: string, limitMs: number): Promise<'yes' | 'no' | 'unknown'> {
  const known = isHere(address)
  if (known !== 'unknown') return known
  const late = new Promise<null>(resolve => setTimeout(resolve, limitMs, null).unref())
  const found = await Promise.race([lookup(address, { all: true }).catch(() => null), late])
  return found === null
    ? 'unknown'
    : isHere(
        address,
        found.map(each => each.address),
      )
}

export const shownAddress = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

const TRIES = 3

/** Opens a connection and closes it; of several the quickest, for the others may have waited for this process itself. */
export async function reach(host: string, port: number, limitMs: number): Promise<Reached> {
  let best = await reachOnce(host, port, limitMs)
  for (let i = 1; i < TRIES && best.ms !== null; i++) {
    const next = await reachOnce(host, port, limitMs)
    if (next.ms !== null && next.ms < best.ms) best = next
  }
  return best
}

function reachOnce(host: string, port: number, limitMs: number): Promise<Reached> {
  const address = shownAddress(host, port)
  const from = clock.now()
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const end = (ms: number | null, problem: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ address, ms, problem })
    }
    const timer = setTimeout(() => end(null, `no answer within ${limitMs} ms`), limitMs)
    socket.once('connect', () => end(clock.now() - from, ''))
    socket.once('error', (error: NodeJS.ErrnoException) => end(null, error.code ?? error.message))
  })
}

interface OwnPort {
  readonly purpose: string
  readonly key: string
  readonly host: string
  readonly port: number
}

export function ownPorts(profile: Profile): OwnPort[] {
  const { amqp, mqtt } = profile.listeners
  const all: (Omit<OwnPort, 'port'> & { port: number | null })[] = [
    { purpose: 'back channel', key: 'port', host: profile.host, port: profile.port },
    { purpose: 'admin', key: 'rmiServerPort', host: profile.admin.host, port: profile.rmiServerPort },
    { purpose: 'AMQP', key: 'listeners.amqp.port', host: amqp.host, port: amqp.port },
    { purpose: 'AMQP (TLS)', key: 'listeners.amqp.tls.port', host: amqp.host, port: amqp.tls.port },
    { purpose: 'AMQP (WebSocket)', key: 'listeners.amqp.ws.port', host: amqp.host, port: amqp.ws.port },
    { purpose: 'AMQP (WebSocket, TLS)', key: 'listeners.amqp.wss.port', host: amqp.host, port: amqp.wss.port },
    { purpose: 'MQTT', key: 'listeners.mqtt.port', host: mqtt.host, port: mqtt.port },
    { purpose: 'MQTT (TLS)', key: 'listeners.mqtt.tls.port', host: mqtt.host, port: mqtt.tls.port },
    { purpose: 'MQTT (WebSocket)', key: 'listeners.mqtt.ws.port', host: mqtt.host, port: mqtt.ws.port },
    { purpose: 'MQTT (WebSocket, TLS)', key: 'listeners.mqtt.wss.port', host: mqtt.host, port: mqtt.wss.port },
  ]
  return all.filter((each): each is OwnPort => each.port !== null)
}

const problemOf = (error: NodeJS.ErrnoException | null): string => error?.code ?? error?.message ?? ''

/** Free, in use by our own server (which is running then), or by somebody else. */
export async function judgeOwnPorts(profile: Profile, limitMs: number): Promise<PortFacts[]> {
  const tried = await Promise.all(
    ownPorts(profile).map(async own => ({ ...own, error: problemOf(await tryPort(own.host, own.port)) })),
  )
  const runs = tried.some(each => each.error === 'EADDRINUSE') ? await running(profile, limitMs) : 'no'
  const isOurs = (key: string): boolean => runs === 'serves' || (runs === 'waits' && !key.startsWith('listeners.'))
  return tried.map(({ purpose, key, host, port, error }) => ({
    purpose,
    key,
    address: shownAddress(host, port),
    state: error === '' ? 'free' : error !== 'EADDRINUSE' ? 'refused' : isOurs(key) ? 'ours' : 'taken',
    problem: error,
  }))
}

/**
 * What a server of this profile says at the admin port. Where one runs, ports of the profile are its own: those for clients
 * only while it serves.
 */
async function running(profile: Profile, limitMs: number): Promise<'no' | 'waits' | 'serves'> {
  const host = isAnyAddress(profile.admin.host) ? '127.0.0.1' : profile.admin.host
  const token = profile.security.adminToken
  try {
    const answer = await fetch(`http://${shownAddress(host, profile.rmiServerPort)}/status`, {
      signal: AbortSignal.timeout(limitMs),
      ...(token === null ? {} : { headers: { authorization: `Bearer ${token}` } }),
    })
    const status = (await answer.json()) as { server?: unknown; serving?: unknown; lock?: { path?: unknown } }
    if (status.server !== profile.server || status.lock?.path !== profile.lockFile) return 'no'
    return status.serving === true ? 'serves' : 'waits'
  } catch {
    return 'no'
  }
}

export function clockFacts(): ClockFacts {
  const source = systemFile('/sys/devices/system/clocksource/clocksource0/current_clocksource') || 'unknown'
  const hints: readonly (readonly [string, string])[] = [
    ['/run/systemd/timesync/synchronized', 'kept in time by systemd-timesyncd'],
    ['/run/chrony/chronyd.pid', 'kept in time by chrony'],
    ['/run/chronyd.pid', 'kept in time by chrony'],
    ['/run/ntpd.pid', 'kept in time by ntpd'],
    ['/var/run/ntpd.pid', 'kept in time by ntpd'],
  ]
  return { source, sync: hints.find(([path]) => existsSync(path))?.[1] ?? '' }
}
