// The small replicated store of keys and values: accounts, permissions, settings of addresses. A change is a record like
// any other: it counts when it is safe, on both servers. Values are short texts that only their owners understand.

import type { RecordView } from '../journal/commit.ts'
import type { Refusal } from './api.ts'
import type { Change } from './change.ts'
import { SETTING_KEY_BYTES, SETTING_VALUE_BYTES } from './limits.ts'
import { NumberReader, NumberWriter, recordFault } from './records.ts'

// SETTING  = bytes key value
// bytes    = varint: length of the key
// key      = UTF-8
// value    = UTF-8, to the end of the record; none: the key is removed

export interface Setting {
  readonly key: string
  /** '': removed. */
  readonly value: string
}

const numbers = new NumberWriter()
const reader = new NumberReader()
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeSetting({ key, value }: Setting): Uint8Array {
  const name = Buffer.from(key)
  numbers.begin()
  numbers.put(name.length)
  return Buffer.concat([numbers.done(), name, Buffer.from(value)])
}

/** Of a record's or a snapshot item's content. */
export function readSetting(bytes: Uint8Array, fault: (why: string) => Error): Setting {
  const numbers = reader.begin(bytes, fault)
  const length = numbers.take()
  const rest = numbers.rest()
  if (length === 0 || length > rest.length) throw fault('the key of a setting has no or too many bytes')
  try {
    return { key: utf8.decode(rest.subarray(0, length)), value: utf8.decode(rest.subarray(length)) }
  } catch {
    throw fault('a setting is not UTF-8')
  }
}

export const decodeSetting = ({ sequence, kind, body }: RecordView): Setting =>
  readSetting(body, why => recordFault(sequence, kind, why))

/** The settings as the records make them. */
export class Settings {
  readonly #values = new Map<string, string>()
  /** Bytes of keys and values. */
  bytes = 0

  get size(): number {
    return this.#values.size
  }

  get(key: string): string | null {
    return this.#values.get(key) ?? null
  }

  keys(prefix: string): string[] {
    return [...this.#values.keys()].filter(key => key.startsWith(prefix))
  }

  *all(): Iterable<Setting> {
    for (const [key, value] of this.#values) yield { key, value }
  }

  put({ key, value }: Setting): void {
    const before = this.#values.get(key)
    if (before !== undefined) this.bytes -= costOf({ key, value: before })
    if (value === '') this.#values.delete(key)
    else {
      this.#values.set(key, value)
      this.bytes += costOf({ key, value })
    }
  }
}

export const costOf = ({ key, value }: Setting): number => Buffer.byteLength(key) + Buffer.byteLength(value) + 64

export type SettingAnswer = (refusal: Refusal | null) => void

/** A setting whose record is on its way. */
export class SettingChange implements Change {
  readonly sequence: number
  readonly #setting: Setting
  readonly #put: (setting: Setting) => void
  #done: SettingAnswer

  constructor(sequence: number, setting: Setting, put: (setting: Setting) => void, done: SettingAnswer) {
    this.sequence = sequence
    this.#setting = setting
    this.#put = put
    this.#done = done
  }

  fold(): void {
    this.#put(this.#setting)
  }

  answer(): void {
    this.#done(null)
  }

  silence(): void {
    this.#done = () => {}
  }

  forget(): void {}
}

/** Why this can't be a setting, or null. */
export function settingFault({ key, value }: Setting): string | null {
  const bytes = Buffer.byteLength(key)
  if (bytes === 0 || bytes > SETTING_KEY_BYTES) return `a key has 1 to ${SETTING_KEY_BYTES} bytes`
  if (Buffer.byteLength(value) > SETTING_VALUE_BYTES) return `a value has at most ${SETTING_VALUE_BYTES} bytes`
  return null
}

/** Who wants to know of changes, by the beginning of the keys. */
export class Watchers {
  readonly #all: { readonly prefix: string; readonly changed: (key: string) => void }[] = []

  add(prefix: string, changed: (key: string) => void): void {
    this.#all.push({ prefix, changed })
  }

  /** '': all may have changed. */
  tell(key: string): void {
    for (const { prefix, changed } of this.#all) if (key === '' || key.startsWith(prefix)) changed(key)
  }
}
