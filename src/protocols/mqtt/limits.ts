// Every bound of the MQTT front end, with its unit last. This is only the list and its defaults; which bound is enforced
// where, and with which reason code, is said in errors.ts and docs/mqtt.md.

export interface MqttLimits {
  /** Largest packet taken; told as Maximum Packet Size. */
  readonly packetBytes: number
  /** Largest CONNECT: before it nobody is known. */
  readonly connectBytes: number
  /** Time from connecting to a whole CONNECT. */
  readonly connectMs: number
  /** Longest keep alive; a client that asks for more, or for none, is told this one as Server Keep Alive (MQTT 5). */
  readonly keepAliveSeconds: number
  readonly clientIdBytes: number
  /** Levels of a topic name or filter. */
  readonly topicLevels: number
  /** Publishes of the client with QoS 1 and 2 that wait for our answer; told as Receive Maximum. */
  readonly receiveMaximum: number
  /** Publishes to the client with QoS 1 and 2 that wait for its answer; the client's Receive Maximum may be lower. */
  readonly inflight: number
  /** Messages, and their bytes, that wait in line for a client without a lasting session whose window is full. */
  readonly pendingMessages: number
  readonly pendingBytes: number
  /** Topic aliases taken from the client; told as Topic Alias Maximum. Those we use are bounded by it too. */
  readonly topicAliases: number
  /** Topics remembered per connection, so that the next publish to one of them is not looked up. */
  readonly knownTopics: number
  /** Characters of their names together. */
  readonly knownTopicsLength: number
  /** Subscriptions of one session. */
  readonly subscriptions: number
  /** Longest a session may outlive its connection; what asks for more gets this. */
  readonly sessionExpirySeconds: number
  /** Bytes that wait for the socket; QoS 0 messages beyond it are dropped, and beyond twice as many the client is. */
  readonly outputBytes: number
  /** Time for the client to close its side after our DISCONNECT. */
  readonly closeMs: number
}

export const defaultMqttLimits: MqttLimits = {
  packetBytes: 1024 * 1024 + 64 * 1024,
  connectBytes: 128 * 1024,
  connectMs: 10_000,
  keepAliveSeconds: 3600,
  clientIdBytes: 256,
  topicLevels: 128,
  receiveMaximum: 4096,
  inflight: 4096,
  pendingMessages: 10_000,
  pendingBytes: 4 * 1024 * 1024,
  topicAliases: 256,
  knownTopics: 1024,
  knownTopicsLength: 64 * 1024,
  subscriptions: 10_000,
  sessionExpirySeconds: 0xffff_fffe,
  outputBytes: 4 * 1024 * 1024,
  closeMs: 5000,
}
