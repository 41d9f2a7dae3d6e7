// The bounds of the broker, all of them; the profile's keys of the same names fill them in. Names of queues are bounded
// here too. What a limit refuses is a Refusal in api.ts.

export interface BrokerLimits {
  /** Client connections over all listeners. */
  readonly connections: number
  /** Size of one encoded message. */
  readonly messageBytes: number
  readonly queues: number
  /** Messages in one queue, those on their way into it included. */
  readonly queueMessages: number
  /** Bytes in one queue: the messages with MESSAGE_OVERHEAD_BYTES each. */
  readonly queueBytes: number
  /** The same over all queues, whether in memory or paged out. */
  readonly storeBytes: number
  /** The same of what is in memory: beyond it none come in. */
  readonly memoryBytes: number
  /** From so much in memory on messages are paged out. */
  readonly pageOutBytes: number
  /** Whether a queue is made when a client first names it. */
  readonly createOnUse: boolean
  readonly topics: TopicLimits
}

export interface TopicLimits {
  /** Retained messages, and their bytes with MESSAGE_OVERHEAD_BYTES each; those on their way included. */
  readonly retainedMessages: number
  readonly retainedBytes: number
  /** Sessions that outlive their connections or have a will. */
  readonly sessions: number
  /** Subscriptions that outlive their connections, of all clients together. */
  readonly subscriptions: number
}

export const defaultTopicLimits: TopicLimits = {
  retainedMessages: 200_000,
  retainedBytes: 128 * 1024 * 1024,
  sessions: 100_000,
  subscriptions: 1_000_000,
}

/** What a message takes besides its body, so that a flood of empty messages is bounded too. Measured: 200 to 240. */
export const MESSAGE_OVERHEAD_BYTES = 256

/** What remains in memory of a message that is paged out. */
export const STUB_BYTES = 16

/** What a message counts for in limits. */
export const costOf = (bodyBytes: number): number => bodyBytes + MESSAGE_OVERHEAD_BYTES

/** Longest queue name, in UTF-16 code units (as a profile counts them). */
export const QUEUE_NAME_LENGTH = 1000

/** Messages that one subscription may declare undeliverable to itself; beyond it the subscription ends. */
export const SHUNNED_PER_SUBSCRIPTION = 256

/** Messages one queue delivers in one turn, so that other queues, sockets and the proof of serving get their turn. */
export const DELIVERIES_PER_TURN = 1024

/** Messages in one SETTLED or RETURNED record: bounds the record to some 60 KiB whatever the sequences. */
export const SETTLEMENTS_PER_RECORD = 4096

/** What listeners of topics may not be told yet, while this server cannot prove that it serves. */
export const HELD_MESSAGES = 10_000
export const HELD_BYTES = 16 * 1024 * 1024

/** Topics whose targets are remembered, and their names' characters; beyond it all are forgotten and found anew. */
export const KNOWN_TOPICS = 100_000
export const KNOWN_TOPICS_LENGTH = 8 * 1024 * 1024

/** Identifiers of messages for duplicate detection: of one address, of all, for how long at most, and one's size. */
export const DUPLICATE_IDS_PER_ADDRESS = 20_000
export const DUPLICATE_IDS = 200_000
export const DUPLICATE_WINDOW_MS = 3_600_000
export const DUPLICATE_ID_BYTES = 256

/** Transactions open at a time, and the bytes of what was sent in them; messages that one sends and settles. */
export const TRANSACTIONS = 10_000
export const TRANSACTIONS_BYTES = 64 * 1024 * 1024
export const TRANSACTION_STEPS = 10_000

/** The journal takes records of the largest message's size and so much: what is to be noted of it, or a setting. */
export const RECORD_OVERHEAD_BYTES = 64 * 1024

/** What of a message's record comes before the message: long names of groups and topics, and many queues that get it. */
export const RECORD_HEAD_BYTES = 60 * 1024

/**
 * A transaction's record, beyond the messages in it, which may have the size of the largest message together: a delayed one
 * comes in by such a record with all that its own could hold.
 */
export const GROUP_OVERHEAD_BYTES = RECORD_HEAD_BYTES + 2048

/** Messages without an answer, of producers that are slowed, at all queues together. */
export const SLOWED_MESSAGES = 100_000
export const SLOWED_BYTES = 32 * 1024 * 1024

/** After a failover clients have so long to come back before their wills are published and their sessions end. */
export const FAILOVER_GRACE_MS = 10_000

/** Key and value of one setting, and all settings together, in bytes. */
export const SETTING_KEY_BYTES = 1024
export const SETTING_VALUE_BYTES = 64 * 1024
export const SETTINGS_BYTES = 16 * 1024 * 1024

/** Where a queue holds several priorities, so many messages are looked at for the highest: bounds what is in memory. */
export const PRIORITY_WINDOW = 8192

/** Messages that one queue's consumers with selectors, and browsers, look at in one turn, together. */
export const SEEN_PER_TURN = 2048

/** Retained messages that are looked at in one turn, for all who subscribe; one look through all is never cut. */
export const RETAINED_SEEN_PER_TURN = 20_000

/** What one of them remembers of messages that it has seen and not taken; beyond it it looks again. */
export const CHOSEN_AHEAD = 2 * PRIORITY_WINDOW

/** A selector's length in UTF-16 code units, its names, literals and operators, and how deep it is nested. */
export const SELECTOR_LENGTH = 4096
export const SELECTOR_TERMS = 512
export const SELECTOR_DEPTH = 64

/** Size of a snapshot's chunk, its frame included. */
export const SNAPSHOT_CHUNK_BYTES = 1 << 20

/** Why a queue cannot have this name, or null. */
export function nameFault(name: string): string | null {
  if (name.length === 0) return 'a queue needs a name'
  if (name.length > QUEUE_NAME_LENGTH) return `a queue's name has at most ${QUEUE_NAME_LENGTH} characters`
  if (/\p{Surrogate}/u.test(name)) return "a queue's name must be well-formed Unicode"
  if (/\p{Control}/u.test(name)) return "a queue's name must not hold control characters"
  return null
}

/** Why this is no name of a topic, or null. Topics may hold control characters, except U+0000. */
export function topicFault(topic: string): string | null {
  if (topic === '') return 'a topic needs a name'
  if (topic.length > 65_535) return "a topic's name has at most 65535 characters"
  if (/[+#\0]/.test(topic)) return "a topic's name holds no wildcards and no U+0000"
  return null
}

/** Why this is no topic filter, or null (MQTT 5.0, 4.7.1). */
export function filterFault(filter: string): string | null {
  if (filter === '') return 'a topic filter holds at least one character'
  if (filter.length > 65_535) return 'a topic filter has at most 65535 characters'
  if (filter.includes('\0')) return 'a topic filter holds no U+0000'
  const levels = filter.split('/')
  const wrong = levels.find(
    (level, i) => /[+#]/.test(level) && !(level === '+' || (level === '#' && i === levels.length - 1)),
  )
  return wrong === undefined ? null : 'in a topic filter + stands for a whole level, and # for the last ones'
}
