// A record of the register as text: one JSON object and the checksum over it. Reading refuses whatever is not exactly what
// writing made; a record is never repaired or guessed.

import { createHash } from 'node:crypto'
import type { RegisterRecord } from './record.ts'

/** Far above any honest record; the operator's note is bounded where it comes in. */
export const MAX_RECORD_CHARS = 16_384

const sum = (body: string): string => createHash('sha256').update(body).digest('hex').slice(0, 16)

/** `{"record":{...},"sum":"<16 hexadecimal digits>"}` and a line end. */
export const encodeRecord = (record: RegisterRecord): string => {
  const body = JSON.stringify(record)
  return `{"record":${body},"sum":"${sum(body)}"}\n`
}

/** The record, or a text that says what is wrong with it. */
export function decodeRecord(text: string, seq: number): RegisterRecord | string {
  if (text.length > MAX_RECORD_CHARS) return `it has ${text.length} characters`
  const match = /^\{"record":(\{.*\}),"sum":"([0-9a-f]{16})"\}\n$/.exec(text)
  if (match === null) return text === '' ? 'it is empty' : 'it is not a whole record'
  const [, body = '', checksum] = match
  if (sum(body) !== checksum) return 'its checksum does not fit'
  // The checksum fits: what is in it was written by us, so only a wrong version or a wrong name are left.
  const record: unknown = JSON.parse(body)
  if (!isRecord(record)) return 'it is of a form that this version does not know'
  return record.seq === seq ? record : `it says that it is record ${record.seq}`
}

const isRecord = (value: unknown): value is RegisterRecord => {
  const r = value as Partial<Record<keyof RegisterRecord, unknown>>
  return (
    typeof r.pairId === 'string' &&
    typeof r.seq === 'number' &&
    typeof r.id === 'string' &&
    typeof r.epoch === 'number' &&
    (r.holder === 'primary' || r.holder === 'secondary') &&
    Array.isArray(r.inSync) &&
    typeof r.reason === 'string' &&
    typeof r.note === 'string' &&
    typeof r.position === 'object' &&
    typeof r.wallMs === 'number'
  )
}
