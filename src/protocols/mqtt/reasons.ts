// The reason codes of MQTT 5 by name, and what MQTT 3.1.1 says in their place in CONNACK.

// prettier-ignore
export const reasons = {
  SUCCESS:                  0x00,
  WITH_WILL:                0x04,
  NO_SUBSCRIBERS:           0x10,
  NO_SUBSCRIPTION:          0x11,
  CONTINUE_AUTHENTICATION:  0x18,
  RE_AUTHENTICATE:          0x19,
  UNSPECIFIED:              0x80,
  MALFORMED:                0x81,
  PROTOCOL_ERROR:           0x82,
  IMPLEMENTATION:           0x83,
  UNSUPPORTED_VERSION:      0x84,
  CLIENT_ID:                0x85,
  BAD_CREDENTIALS:          0x86,
  NOT_AUTHORIZED:           0x87,
  UNAVAILABLE:              0x88,
  BUSY:                     0x89,
  BAD_AUTHENTICATION:       0x8c,
  KEEP_ALIVE:               0x8d,
  TAKEN_OVER:               0x8e,
  TOPIC_FILTER:             0x8f,
  TOPIC_NAME:               0x90,
  PACKET_ID_IN_USE:         0x91,
  PACKET_ID_NOT_FOUND:      0x92,
  RECEIVE_MAXIMUM:          0x93,
  TOPIC_ALIAS:              0x94,
  TOO_LARGE:                0x95,
  QUOTA:                    0x97,
  ADMINISTRATIVE:           0x98,
  USE_ANOTHER_SERVER:       0x9c,
} as const satisfies Record<string, number>

export type ReasonName = keyof typeof reasons

/** CONNACK return codes of MQTT 3.1.1 (3.2.2.3). What has none ends without an answer. */
const returnCodes: ReadonlyMap<number, number> = new Map([
  [reasons.UNSUPPORTED_VERSION, 1],
  [reasons.CLIENT_ID, 2],
  [reasons.UNAVAILABLE, 3],
  [reasons.BUSY, 3],
  [reasons.QUOTA, 3],
  [reasons.BAD_CREDENTIALS, 4],
  [reasons.NOT_AUTHORIZED, 5],
])

export const returnCode = (reason: number): number | null => returnCodes.get(reason) ?? null
