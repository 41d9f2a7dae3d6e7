// For applications that use mqtt.js: the options with which it follows the pair. It knows several servers, keeps QoS 1 and
// 2 messages until they are answered, and sends them again on the next connection; QoS 2 arrives exactly once across a
// failover (docs/mqtt.md). What it does not know are good times, and that a session must outlive its connection for that.

import type { IClientOptions } from 'mqtt'

export interface MqttPairOptions {
  /** The MQTT ports of both servers, in any order. */
  readonly servers: readonly { readonly host: string; readonly port: number }[]
  /** The session's name: the same one in every life of the application. */
  readonly clientId: string
  readonly user?: string
  readonly password?: string
  /** Default `mqtt`. */
  readonly protocol?: 'mqtt' | 'mqtts' | 'ws' | 'wss'
  /** The session is kept so long after the connection has ended. Default an hour. */
  readonly sessionSeconds?: number
  /**
   * Keep alive: a server that answers nothing is left after one and a half times as long. Default 2 s, which suits a lease
   * of 3 s and more.
   */
  readonly keepAliveSeconds?: number
}

const DEFAULT_SESSION_SECONDS = 3600
const DEFAULT_KEEP_ALIVE_SECONDS = 2
/** Between two attempts: the other server may serve already. */
const RETRY_MS = 50
/** A machine that is gone answers nothing; the next server is tried after this. */
const CONNECT_LIMIT_MS = 1000

/** Give them to `connect` of mqtt.js, with more of your own where you like. */
export function mqttPairOptions(options: MqttPairOptions): IClientOptions {
  const { servers, clientId, user, password, protocol = 'mqtt' } = options
  const { sessionSeconds = DEFAULT_SESSION_SECONDS, keepAliveSeconds = DEFAULT_KEEP_ALIVE_SECONDS } = options
  if (servers.length === 0) throw new TypeError('servers is empty: it names both servers of the pair')
  if (clientId === '') throw new TypeError('clientId is empty: a session that is kept needs a name')
  return {
    servers: servers.map(({ host, port }) => ({ host, port, protocol })),
    // For certificates of clients mqtt.js asks here, too.
    protocol,
    protocolVersion: 5,
    clientId,
    clean: false,
    properties: { sessionExpiryInterval: sessionSeconds },
    keepalive: keepAliveSeconds,
    reconnectPeriod: RETRY_MS,
    // A server that is full, or hinders who guesses passwords, takes a client a moment later.
    reconnectOnConnackError: true,
    connectTimeout: CONNECT_LIMIT_MS,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
  }
}
