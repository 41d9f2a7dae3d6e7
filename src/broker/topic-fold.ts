// What the records of topics and sessions do to the state, on the follower and after a restart. The active server's own
// way is in routed-change.ts and session-changes.ts; a test holds the two against each other.

import type { RecordView } from '../journal/commit.ts'
import type { DuplicateIds } from './duplicate-ids.ts'
import { type Envelope, keptEnvelope, MQTT_FORMAT } from './envelope.ts'
import type { Queue } from './queue.ts'
import {
  BOUND,
  COMPLETED,
  DROPPED,
  RECEIVED,
  recordFault,
  RELEASED,
  RETAINED,
  ROUTED,
  SESSION,
  SESSION_AWAY,
  SESSION_ENDED,
  UNBOUND,
} from './records.ts'
import { decodeRetained, type Retained } from './retained.ts'
import { decodeAway, decodeId, decodeNumbers, decodeSession, type SessionRecord } from './session-records.ts'
import { SessionState, type SessionStates } from './session-state.ts'
import { decodeBound, decodeDropped, decodeRouted, decodeUnbound } from './topic-records.ts'

export interface TopicState {
  readonly retained: Retained
  readonly sessions: SessionStates
  readonly duplicates: DuplicateIds
  byId(id: number): Queue | null
  dropQueue(queue: Queue): void
}

/** False where the record is of another kind. */
export function foldTopicRecord(state: TopicState, record: RecordView): boolean {
  const queueOf = (id: number): Queue => {
    const queue = state.byId(id)
    if (queue === null) throw recordFault(record.sequence, record.kind, `there is no queue ${id}`)
    return queue
  }
  const sessionOf = (id: number): SessionState => {
    const session = state.sessions.byId(id)
    if (session === null) throw recordFault(record.sequence, record.kind, `there is no session ${id}`)
    return session
  }
  switch (record.kind) {
    case ROUTED: {
      const { queues, grades, envelope, body } = decodeRouted(record)
      const { session, packetId, duplicateId, cameAt } = envelope
      queues.forEach((id, i) => queueOf(id).put(record.sequence, body, 0, keptEnvelope(envelope), grades[i]))
      if (session > 0) sessionOf(session).held.add(packetId)
      if (duplicateId !== '') state.duplicates.add(topicOf(body, envelope), duplicateId, cameAt)
      return true
    }
    case DROPPED:
      state.dropQueue(queueOf(decodeDropped(record)))
      return true
    case BOUND: {
      const { queue, filter, options } = decodeBound(record)
      queueOf(queue).bindings.set(filter, options)
      return true
    }
    case UNBOUND: {
      const { queue, filter } = decodeUnbound(record)
      queueOf(queue).bindings.delete(filter)
      return true
    }
    case RETAINED:
      state.retained.put(decodeRetained(record))
      return true
    case SESSION:
      foldSession(state, record.sequence, decodeSession(record), queueOf, sessionOf)
      return true
    case SESSION_AWAY: {
      const { id, since, keepMs, withWill } = decodeAway(record)
      const session = sessionOf(id)
      session.left(record.sequence, since)
      session.keepMs = keepMs
      if (!withWill) session.will = null
      return true
    }
    case SESSION_ENDED: {
      const session = sessionOf(decodeId(record))
      state.sessions.remove(session)
      if (session.queue !== null) state.dropQueue(session.queue)
      return true
    }
    case RELEASED: {
      const { id, values } = decodeNumbers(record)
      for (const packetId of values) sessionOf(id).held.delete(packetId)
      return true
    }
    case RECEIVED: {
      const { id, values } = decodeNumbers(record)
      const session = sessionOf(id)
      for (const sequence of values) {
        const message = session.queue?.line.find(sequence)
        if (!message) throw recordFault(record.sequence, record.kind, `the session has no message ${sequence}`)
        session.queue?.remove(message)
        session.received.add(sequence)
      }
      return true
    }
    case COMPLETED: {
      const { id, values } = decodeNumbers(record)
      for (const sequence of values) sessionOf(id).received.delete(sequence)
      return true
    }
    default:
      return false
  }
}

function foldSession(
  state: TopicState,
  sequence: number,
  { id, queue, keepMs, clientId, user, will }: SessionRecord,
  queueOf: (id: number) => Queue,
  sessionOf: (id: number) => SessionState,
): void {
  if (id === 0) {
    const own = queue === 0 ? null : queueOf(queue)
    state.sessions.add(new SessionState(sequence, clientId, user, own, keepMs, will))
    return
  }
  const session = sessionOf(id)
  session.user = user
  session.keepMs = keepMs
  session.will = will
  session.came()
}

/** A body of MQTT begins with its topic. */
export function topicOf(body: Uint8Array, { format, topic }: Envelope): string {
  if (format !== MQTT_FORMAT) return topic
  const end = 2 + (((body[0] as number) << 8) | (body[1] as number))
  return Buffer.from(body.subarray(2, end)).toString()
}
