// The back channel's wire, as a table. A frame is one WebSocket binary message: one byte with the frame's number, then
// its body. Control frames carry UTF-8 JSON with exactly the fields named here; the others carry the binary grammar that
// stands above their encoder in codec.ts. docs/frames.md is printed from this table.

import type { EpochStart, Position } from '../journal/position.ts'
import type { Role } from '../states/roles.ts'

/** Raised when a frame changes its meaning; servers of different versions refuse each other. */
export const PROTOCOL_VERSION = 1

export type FrameForm = 'json' | 'binary'
export type FrameFrom = 'both' | 'active' | 'passive'

export interface FrameEntry {
  readonly number: number
  readonly form: FrameForm
  readonly from: FrameFrom
  readonly meaning: string
  readonly since: number
}

// prettier-ignore
export const frames = {
  HELLO:          { number:  1, form: 'json',   from: 'both',    since: 1, meaning: 'first frame of each side: protocol version, label, a nonce to prove the shared secret against' },
  PROOF:          { number:  2, form: 'json',   from: 'both',    since: 1, meaning: 'keyed digest of both nonces and labels: the sender knows the shared secret of the pair' },
  REFUSE:         { number:  3, form: 'json',   from: 'both',    since: 1, meaning: 'the sender will not talk to this peer: coded error; the channel closes' },
  GREETING:       { number:  4, form: 'json',   from: 'both',    since: 1, meaning: 'pair id, store id, role, epochs with their starts, position with digest, known LockFile record' },
  ROLE:           { number:  5, form: 'json',   from: 'both',    since: 1, meaning: 'present and previous role at every change, with position, epoch, lock, share and record' },
  PING:           { number:  6, form: 'binary', from: 'both',    since: 1, meaning: 'are you there; number and commit position' },
  PONG:           { number:  7, form: 'binary', from: 'both',    since: 1, meaning: 'I am, and follow this epoch: I take no lock before passiveLockAcquisitionInterval has gone by' },
  SYNC_BEGIN:     { number: 10, form: 'json',   from: 'active',  since: 1, meaning: 'follow my epoch from this common position on, by tail or by snapshot' },
  SYNC_READY:     { number: 11, form: 'json',   from: 'passive', since: 1, meaning: 'cut back to the common position (the rest is in quarantine); send' },
  SYNC_REFUSED:   { number: 12, form: 'json',   from: 'passive', since: 1, meaning: 'will not follow: coded error' },
  SNAPSHOT_CHUNK: { number: 13, form: 'binary', from: 'active',  since: 1, meaning: 'the next piece of the snapshot' },
  SNAPSHOT_END:   { number: 14, form: 'json',   from: 'active',  since: 1, meaning: 'the snapshot is complete: its position and digest' },
  SNAPSHOT_MORE:  { number: 15, form: 'binary', from: 'passive', since: 1, meaning: 'so many bytes of the snapshot are written: window for the next' },
  RECORDS:        { number: 16, form: 'binary', from: 'active',  since: 1, meaning: 'journal records as they lie on disk, with epoch, first sequence and commit sequence' },
  CONFIRM:        { number: 17, form: 'binary', from: 'passive', since: 1, meaning: 'durable here up to this position, with digest' },
  JOIN_PREPARE:   { number: 18, form: 'json',   from: 'active',  since: 1, meaning: 'acknowledgements now wait for you: compare position and digest, and declare your copy whole' },
  JOIN_PREPARED:  { number: 19, form: 'json',   from: 'passive', since: 1, meaning: 'position and digest agree; the copy is whole, durably' },
  JOINED:         { number: 20, form: 'json',   from: 'active',  since: 1, meaning: 'the LockFile lists us both: become PASSIVE' },
  HANDOVER:       { number: 21, form: 'json',   from: 'active',  since: 1, meaning: 'I am frozen at this position: take over' },
  TAKEN:          { number: 22, form: 'json',   from: 'passive', since: 1, meaning: 'I am active in this new epoch: follow me from the handover position' },
  COVER_ASK:      { number: 24, form: 'json',   from: 'both',    since: 1, meaning: 'could you go on without me now, and write the record for that? I act as before' },
  COVER_ANSWER:   { number: 25, form: 'json',   from: 'both',    since: 1, meaning: 'yes: I could have written beside the LockFile just now; or not yet, or not, with the reason' },
  BYE:            { number: 23, form: 'json',   from: 'both',    since: 1, meaning: 'I am not acting in any epoch and leave: my promise and my lock token need not be waited for' },
} as const satisfies Record<string, FrameEntry>

export type FrameName = keyof typeof frames
export type ServerLabel = 'primary' | 'secondary'

/** What each frame carries. Sequences, epochs and record numbers are whole numbers below 2^48 (epochs below 2^32). */
export interface FrameFields {
  HELLO: { version: number; label: ServerLabel; instance: string; nonce: string }
  PROOF: { proof: string }
  REFUSE: { code: string; text: string }
  GREETING: {
    /** Empty until the pair is founded. */
    pairId: string
    storeId: string
    kind: 'FES' | 'FPS'
    leaseMs: number
    pingMs: number
    lockFile: string
    epochs: EpochStart[]
    /** Everything up to this position is only in the snapshot. */
    start: Position
    state: RoleState
  }
  ROLE: RoleState
  PING: { number: number; committed: number }
  PONG: { number: number; following: number }
  SYNC_BEGIN: {
    epoch: number
    /** The newest LockFile record that the active knows. */
    recordSeq: number
    pairId: string
    how: 'tail' | 'snapshot'
    /** tail: last position that both have. snapshot: the snapshot's position. */
    common: Position
    /** snapshot: first sequences of the epochs up to `common`, and the snapshot's size. tail: empty and 0. */
    epochs: EpochStart[]
    bytes: number
  }
  SYNC_READY: { epoch: number; from: Position }
  SYNC_REFUSED: { epoch: number; code: string; text: string }
  SNAPSHOT_CHUNK: { epoch: number; bytes: Uint8Array }
  /** `bytes` and `crc` (CRC-32) speak of all chunks together. */
  SNAPSHOT_END: { epoch: number; position: Position; bytes: number; crc: number }
  SNAPSHOT_MORE: { epoch: number; received: number }
  RECORDS: { epoch: number; first: number; committed: number; bytes: Uint8Array }
  CONFIRM: { epoch: number; position: Position }
  JOIN_PREPARE: { epoch: number; position: Position }
  JOIN_PREPARED: { epoch: number; position: Position }
  JOINED: { epoch: number; recordSeq: number }
  HANDOVER: { epoch: number; recordSeq: number; position: Position; token: string }
  TAKEN: { epoch: number; position: Position }
  /** `recordSeq`: the newest record that the sender knows; a passive server would append its own after it. */
  COVER_ASK: { number: number; epoch: number; recordSeq: number }
  COVER_ANSWER: { number: number; able: 'yes' | 'later' | 'no'; reason: string }
  BYE: { epoch: number; token: string; reason: string }
}

export interface RoleState {
  role: Role
  previous: Role
  /** Epoch in which the sender acts or which it follows; 0 for none. */
  epoch: number
  lock: boolean
  /** The sender's keeper works, and the LockFile's share answers it. */
  share: boolean
  /** Highest LockFile record the sender has ever known, 0 for none. */
  recordSeq: number
  /** False while a destructive resynchronization is under way: the sender's copy may not serve. */
  whole: boolean
  position: Position
}

export type Frame = { [Name in FrameName]: { name: Name } & FrameFields[Name] }[FrameName]
