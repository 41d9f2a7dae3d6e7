// What can be said of addresses without asking the network: is it this machine only, and do two addresses listen at the
// same place. Names are not resolved: a profile is judged by what it says.

const LOOPBACK_NAMES = new Set(['localhost', 'ip6-localhost', '::1', '0:0:0:0:0:0:0:1'])
const ANY = new Set(['0.0.0.0', '::', '0:0:0:0:0:0:0:0'])

/** True for addresses that no other machine can reach. */
export const isLoopback = (host: string): boolean =>
  LOOPBACK_NAMES.has(host.toLowerCase()) || /^127(\.\d{1,3}){3}$/.test(host) || /^::ffff:127(\.\d{1,3}){3}$/i.test(host)

/** True where two listeners, on one machine, at these addresses and with one port would collide. */
export function sameListener(a: string, b: string): boolean {
  if (ANY.has(a) || ANY.has(b)) return true
  return canonical(a) === canonical(b)
}

/** True where both addresses certainly mean the same machine: the same text, or both loopback. */
export const sameMachine = (a: string, b: string): boolean =>
  (isLoopback(a) && isLoopback(b)) || (canonical(a) === canonical(b) && !ANY.has(a))

export const isAnyAddress = (host: string): boolean => ANY.has(host)

/** The names that all mean 127.0.0.1 or ::1 collide on most machines: `localhost` may be either. */
const canonical = (host: string): string => (LOOPBACK_NAMES.has(host.toLowerCase()) ? '127.0.0.1' : host.toLowerCase())

/** An IPv4 or IPv6 address or a host name, by its looks. */
export function looksLikeHost(text: string): boolean {
  if (/^[\d.]+$/.test(text)) return /^(\d{1,3}\.){3}\d{1,3}$/.test(text) && text.split('.').every(n => Number(n) <= 255)
  if (text.includes(':')) return /^[0-9a-f:.]+(%[\w.-]+)?$/i.test(text) && text.length <= 64
  return text.length <= 253 && text.split('.').every(part => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(part))
}
