// The ports of one protocol as the profile has them: bare, with TLS, as WebSockets, as WebSockets with TLS.

import type { CodedError } from '../base/errors.ts'
import type { Clock, Log } from '../base/ports.ts'
import type { Profile } from '../profiles/profile.ts'
import { Listener, type ListenerOptions } from './listener.ts'
import type { TlsFiles } from './tls-files.ts'

export interface ListenersParts {
  readonly profile: Profile
  readonly protocol: 'amqp' | 'mqtt'
  /** WebSocket subprotocols, the best first. */
  readonly subprotocols: readonly string[]
  /** `secured`: the client came over TLS. */
  readonly engine: (secured: boolean) => ListenerOptions['engine']
  readonly failed: (error: CodedError) => void
  readonly clock: Clock
  readonly log: Log
}

export function listenersOf(parts: ListenersParts): Listener[] {
  const { profile, protocol, subprotocols, engine, failed, clock, log } = parts
  const { host, port, tls, ws, wss } = profile.listeners[protocol]
  const { certFile, keyFile, clientCaFile, clientCertificate } = tls
  const files = certFile === null || keyFile === null ? null : { certFile, keyFile, clientCaFile, clientCertificate }
  const web = { protocols: subprotocols, origins: ws.origins, messageBytes: profile.limits.messageBytes + FRAME_BYTES }
  const name = protocol.toUpperCase()
  const found: Listener[] = []
  const add = (port: number | null, files: TlsFiles | null, isWeb: boolean, what: string, key: string): void => {
    if (port === null) return
    const purpose = `${name}${what}`
    const { connections } = profile.limits
    const options = { host, port, tls: files, web: isWeb ? web : null, purpose, key, connections, failed, clock, log }
    found.push(new Listener({ ...options, engine: engine(files !== null) }))
  }
  const at = `listeners.${protocol}`
  add(port, null, false, '', `${at}.port`)
  if (files !== null) add(tls.port, files, false, ' (TLS)', `${at}.tls.port`)
  add(ws.port, null, true, ' (WebSocket)', `${at}.ws.port`)
  if (files !== null) add(wss.port, files, true, ' (WebSocket, TLS)', `${at}.wss.port`)
  return found
}

/** What a client's message may bring besides one message's body: headers of frames, other frames gathered with it. */
const FRAME_BYTES = 1024 * 1024
