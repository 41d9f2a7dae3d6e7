// Frames to messages and back (the table of frames: frames.ts). Knows form and range of every field, not what a frame
// means or when it may come. Whatever the bytes are, `decode` gives a frame that is safe to use or throws CHANNEL-FRAME
// (CHANNEL-VERSION for a greeting of another version).
//
// Grammar: message = number u8, body. All numbers big-endian; u48 six bytes.
//   position       = epoch u32, sequence u48, digest u64 (below 2^52)
//   PING           = number u48, committed u48
//   PONG           = number u48, following u32
//   SNAPSHOT_CHUNK = epoch u32, bytes (1 or more, to the end)
//   SNAPSHOT_MORE  = epoch u32, received u48
//   RECORDS        = epoch u32, first u48, committed u48, bytes (1 or more, to the end)
//   CONFIRM        = epoch u32, position
//   all others     = UTF-8 JSON, an object with exactly the fields of the table `json` below

import { assert } from '../base/assert.ts'
import type { CodedError } from '../base/errors.ts'
import type { EpochStart, Position } from '../journal/position.ts'
import { ROLES } from '../states/roles.ts'
import { channelError } from './channel-errors.ts'
import { PROTOCOL_VERSION, frames } from './frames.ts'
import type { Frame, FrameFields, FrameName, RoleState } from './frames.ts'
import { flag, form, list, object, oneOf, text, whole } from './grammar.ts'
import type { Reader } from './grammar.ts'

/** Largest message on the channel (one record of the largest size that a profile may allow); RECORDS and SNAPSHOT_CHUNK carry up to FRAME_BYTES of `bytes`. */
export const MESSAGE_BYTES = 80 * 1024 * 1024
export const FRAME_BYTES = MESSAGE_BYTES - 64
/** Largest message before the peer has proved who it is. HELLO, PROOF and REFUSE are far smaller. */
export const STRANGER_BYTES = 4096
/** More reigns than a pair sees in its life. */
const EPOCHS_LIMIT = 100_000

const U32 = 2 ** 32 - 1
const U48 = 2 ** 48 - 1
const U52 = 2 ** 52 - 1

const epoch = whole(U32)
const u48 = whole(U48)
const ms = whole(U32)
const label = oneOf('primary', 'secondary')
const hex = (digits: number) => form(new RegExp(`^[0-9a-f]{${digits}}$`), `${digits} hexadecimal digits`)
const code = form(/^[A-Z][A-Z0-9-]{0,63}$/, 'an error code')
const position = object<Position>({ epoch, sequence: u48, digest: whole(U52) })
const epochs = list(object<EpochStart>({ epoch, sequence: u48 }), EPOCHS_LIMIT)
const roleState = object<RoleState>({
  role: oneOf(...ROLES),
  previous: oneOf(...ROLES),
  epoch,
  lock: flag,
  recordSeq: u48,
  share: flag,
  whole: flag,
  position,
})

type JsonName = { [Name in FrameName]: (typeof frames)[Name]['form'] extends 'json' ? Name : never }[FrameName]
type BinaryName = Exclude<FrameName, JsonName>

const json: { readonly [Name in JsonName]: Reader<FrameFields[Name]> } = {
  HELLO: object<FrameFields['HELLO']>({ version: whole(U32), label, instance: hex(16), nonce: hex(64) }),
  PROOF: object<FrameFields['PROOF']>({ proof: hex(64) }),
  REFUSE: object<FrameFields['REFUSE']>({ code, text: text(1000) }),
  GREETING: object<FrameFields['GREETING']>({
    pairId: text(64),
    storeId: text(64),
    kind: oneOf('FES', 'FPS'),
    leaseMs: ms,
    pingMs: ms,
    lockFile: text(4096),
    epochs,
    start: position,
    state: roleState,
  }),
  ROLE: roleState,
  SYNC_BEGIN: object<FrameFields['SYNC_BEGIN']>({
    epoch,
    recordSeq: u48,
    pairId: text(64),
    how: oneOf('tail', 'snapshot'),
    common: position,
    epochs,
    bytes: u48,
  }),
  SYNC_READY: object<FrameFields['SYNC_READY']>({ epoch, from: position }),
  SYNC_REFUSED: object<FrameFields['SYNC_REFUSED']>({ epoch, code, text: text(1000) }),
  SNAPSHOT_END: object<FrameFields['SNAPSHOT_END']>({ epoch, position, bytes: u48, crc: whole(U32) }),
  JOIN_PREPARE: object<FrameFields['JOIN_PREPARE']>({ epoch, position }),
  JOIN_PREPARED: object<FrameFields['JOIN_PREPARED']>({ epoch, position }),
  JOINED: object<FrameFields['JOINED']>({ epoch, recordSeq: u48 }),
  HANDOVER: object<FrameFields['HANDOVER']>({ epoch, recordSeq: u48, position, token: text(255) }),
  TAKEN: object<FrameFields['TAKEN']>({ epoch, position }),
  COVER_ASK: object<FrameFields['COVER_ASK']>({ number: whole(U32), epoch, recordSeq: u48 }),
  COVER_ANSWER: object<FrameFields['COVER_ANSWER']>({
    number: whole(U32),
    able: oneOf('yes', 'later', 'no'),
    reason: text(1000),
  }),
  BYE: object<FrameFields['BYE']>({ epoch, token: text(255), reason: text(1000) }),
}

/** Number of bytes of the whole message, or of what stands before `bytes`. */
const sizes: { readonly [Name in BinaryName]: number } = {
  PING: 13,
  PONG: 11,
  SNAPSHOT_CHUNK: 5,
  SNAPSHOT_MORE: 11,
  RECORDS: 17,
  CONFIRM: 23,
}

const names: (FrameName | undefined)[] = []
for (const name of Object.keys(frames) as FrameName[]) {
  assert(names[frames[name].number] === undefined, `the number of ${name} is its own`)
  names[frames[name].number] = name
}

/** The message as pieces to be sent one after the other. `bytes` of RECORDS and SNAPSHOT_CHUNK is a piece as it is. */
export function encode(frame: Frame): Uint8Array[] {
  switch (frame.name) {
    case 'RECORDS': {
      assert(frame.bytes.length > 0 && frame.bytes.length <= FRAME_BYTES, 'RECORDS fit into a frame')
      const head = binary(frame.name, frame.epoch)
      head.writeUIntBE(frame.first, 5, 6)
      head.writeUIntBE(frame.committed, 11, 6)
      return [head, frame.bytes]
    }
    case 'CONFIRM': {
      const head = binary(frame.name, frame.epoch)
      writePosition(head, frame.position, 5)
      return [head]
    }
    case 'PING': {
      const head = start(frame.name)
      head.writeUIntBE(frame.number, 1, 6)
      head.writeUIntBE(frame.committed, 7, 6)
      return [head]
    }
    case 'PONG': {
      const head = start(frame.name)
      head.writeUIntBE(frame.number, 1, 6)
      head.writeUInt32BE(frame.following, 7)
      return [head]
    }
    case 'SNAPSHOT_CHUNK':
      assert(frame.bytes.length > 0 && frame.bytes.length <= FRAME_BYTES, 'a chunk fits into a frame')
      return [binary(frame.name, frame.epoch), frame.bytes]
    case 'SNAPSHOT_MORE': {
      const head = binary(frame.name, frame.epoch)
      head.writeUIntBE(frame.received, 5, 6)
      return [head]
    }
    default:
      return [encodeJson(frame)]
  }
}

const start = (name: BinaryName): Buffer => {
  const head = Buffer.allocUnsafe(sizes[name])
  head[0] = frames[name].number
  return head
}

const binary = (name: BinaryName, epoch: number): Buffer => {
  const head = start(name)
  head.writeUInt32BE(epoch, 1)
  return head
}

function encodeJson(frame: Extract<Frame, { name: JsonName }>): Uint8Array {
  const { name, ...given } = frame
  // The table ties reader and fields of one name together; over all names at once the compiler cannot follow.
  const reader = json[name] as Reader<unknown>
  const fields = reader.clean ? reader.clean(given) : given
  // Refused here it is our own mistake, refused there it would cost the channel.
  try {
    reader.read(fields, name)
  } catch (error) {
    assert(false, `a frame of our own must be sound: ${(error as Error).message}`)
  }
  const body = JSON.stringify(fields)
  const message = Buffer.allocUnsafe(1 + Buffer.byteLength(body))
  assert(message.length <= MESSAGE_BYTES, `${name} fits into a message`)
  message[0] = frames[name].number
  message.write(body, 1)
  return message
}

/** The frame in one message. RECORDS and SNAPSHOT_CHUNK view `message`, which must not be changed. */
export function decode(message: Uint8Array): Frame {
  const name = names[message[0] ?? 0]
  if (name === undefined)
    throw wrong(message.length === 0 ? 'an empty message' : `no frame has the number ${message[0]}`)
  if (message.length > MESSAGE_BYTES) throw wrong(`${name} of ${message.length} bytes`)
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length)
  switch (name) {
    case 'RECORDS': {
      rest(name, bytes)
      const first = bytes.readUIntBE(5, 6)
      const committed = bytes.readUIntBE(11, 6)
      return { name, epoch: bytes.readUInt32BE(1), first, committed, bytes: bytes.subarray(sizes.RECORDS) }
    }
    case 'CONFIRM':
      exact(name, bytes)
      return { name, epoch: bytes.readUInt32BE(1), position: readPosition(bytes, 5) }
    case 'PING':
      exact(name, bytes)
      return { name, number: bytes.readUIntBE(1, 6), committed: bytes.readUIntBE(7, 6) }
    case 'PONG':
      exact(name, bytes)
      return { name, number: bytes.readUIntBE(1, 6), following: bytes.readUInt32BE(7) }
    case 'SNAPSHOT_CHUNK':
      rest(name, bytes)
      return { name, epoch: bytes.readUInt32BE(1), bytes: bytes.subarray(sizes.SNAPSHOT_CHUNK) }
    case 'SNAPSHOT_MORE':
      exact(name, bytes)
      return { name, epoch: bytes.readUInt32BE(1), received: bytes.readUIntBE(5, 6) }
    default:
      return decodeJson(name, bytes)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function decodeJson(name: JsonName, bytes: Buffer): Frame {
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(bytes.subarray(1)))
  } catch {
    throw wrong(`${name} is no JSON`)
  }
  if (name === 'HELLO') checkVersion(value)
  const fields = (json[name] as Reader<object>).read(value, name)
  return { name, ...fields } as Frame
}

/** Before anything else of a HELLO is judged: another version may carry other fields, and the operator must learn why. */
function checkVersion(hello: unknown): void {
  if (typeof hello !== 'object' || hello === null || !('version' in hello)) return
  const { version } = hello
  if (Number.isInteger(version) && version !== PROTOCOL_VERSION)
    throw channelError('VERSION', { theirs: version as number, ours: PROTOCOL_VERSION })
}

const exact = (name: BinaryName, bytes: Buffer): void => {
  if (bytes.length !== sizes[name]) throw wrong(`${name} has ${bytes.length} bytes, not ${sizes[name]}`)
}

const rest = (name: BinaryName, bytes: Buffer): void => {
  if (bytes.length <= sizes[name]) throw wrong(`${name} has only ${bytes.length} bytes`)
}

function writePosition(bytes: Buffer, { epoch, sequence, digest }: Position, at: number): void {
  assert(digest >= 0 && digest <= U52, 'a digest has 52 bits')
  bytes.writeUInt32BE(epoch, at)
  bytes.writeUIntBE(sequence, at + 4, 6)
  bytes.writeUInt32BE(Math.floor(digest / 2 ** 32), at + 10)
  bytes.writeUInt32BE(digest % 2 ** 32, at + 14)
}

function readPosition(bytes: Buffer, at: number): Position {
  const digest = bytes.readUInt32BE(at + 10) * 2 ** 32 + bytes.readUInt32BE(at + 14)
  if (digest > U52) throw wrong('a digest has more than 52 bits')
  return { epoch: bytes.readUInt32BE(at), sequence: bytes.readUIntBE(at + 4, 6), digest }
}

const wrong = (detail: string): CodedError => channelError('FRAME', { detail })
