// How the fields of JSON frames are checked: one small reader for each kind of value. A reader returns the value as it
// may be used or throws a coded error that names the field. The table of frames over them is in codec.ts.

import { channelError } from './channel-errors.ts'

export interface Reader<T> {
  /** Checks what came from the wire. `at` names the field. */
  read(value: unknown, at: string): T
  /** Makes a value of our own fit for the wire, where it may come from outside (texts). */
  readonly clean?: (value: T) => T
}

type Shape<T> = { readonly [Field in keyof T]-?: Reader<T[Field]> }

const bad = (at: string, must: string) => channelError('FRAME', { detail: `${at} must be ${must}` })

/** A whole number from 0 to `max`. */
export const whole = (max: number): Reader<number> => ({
  read(value, at) {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
      throw bad(at, `a whole number from 0 to ${max}`)
    return value + 0 // -0 becomes 0
  },
})

export const flag: Reader<boolean> = {
  read(value, at) {
    if (typeof value !== 'boolean') throw bad(at, 'true or false')
    return value
  },
}

export const oneOf = <const T extends string>(...words: readonly T[]): Reader<T> => ({
  read(value, at) {
    for (const word of words) if (word === value) return word
    throw bad(at, `one of ${words.join(', ')}`)
  },
})

/** A string of exactly this form. */
export const form = (pattern: RegExp, must: string): Reader<string> => ({
  read(value, at) {
    if (typeof value !== 'string' || !pattern.test(value)) throw bad(at, must)
    return value
  },
})

// Characters that could forge lines of a console or turn its text around. Control characters and halves of pairs
// are the same for ever; what Unicode calls a format character differs between versions of Node, and both servers must
// judge alike, so that those are listed.
const unprintable = /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/** Clipping comes first: it may leave half a surrogate pair. */
export const printable = (value: string, max: number): string => value.slice(0, max).replace(unprintable, '?')

/** Words for a person, up to `max` UTF-16 units, without anything that could upset a console. */
export const text = (max: number): Reader<string> => ({
  read(value, at) {
    if (typeof value !== 'string' || value.length > max) throw bad(at, `a text of at most ${max} characters`)
    if (value.search(unprintable) >= 0) throw bad(at, 'a text without control characters')
    return value
  },
  clean: value => printable(value, max),
})

/** An object with exactly these fields. */
export const object = <T>(shape: Shape<T>): Reader<T> => {
  const fields = Object.keys(shape) as (keyof T & string)[]
  return {
    read(value, at) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(at, 'an object')
      const given = value as Record<string, unknown>
      for (const name of Object.keys(given))
        if (!Object.hasOwn(shape, name)) throw bad(at, `without a field ${JSON.stringify(name.slice(0, 40))}`)
      const result: Partial<T> = {}
      for (const name of fields) {
        if (!Object.hasOwn(given, name)) throw bad(at, `with a field ${name}`)
        result[name] = shape[name].read(given[name], `${at}.${name}`)
      }
      return result as T
    },
    clean(value) {
      const result: Partial<T> = {}
      for (const name of fields) {
        const field = shape[name]
        result[name] = field.clean ? field.clean(value[name]) : value[name]
      }
      return result as T
    },
  }
}

export const list = <T>(item: Reader<T>, max: number): Reader<T[]> => ({
  read(value, at) {
    if (!Array.isArray(value) || value.length > max) throw bad(at, `a list of at most ${max}`)
    return value.map((one, i) => item.read(one, `${at}[${i}]`))
  },
})
