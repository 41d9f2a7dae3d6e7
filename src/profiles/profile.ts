// What a server knows of its profile once it was read and checked: every key of keys.ts at its place (`listeners.amqp.port`
// is profile.listeners.amqp.port), with defaults, absolute paths, milliseconds and bytes.

import { keyNames, type Values } from './keys.ts'

type Head<Name> = Name extends `${infer H}.${string}` ? H : Name
type Below<V, H extends string> = { readonly [N in keyof V as N extends `${H}.${infer Rest}` ? Rest : never]: V[N] }
/** `{ 'a.b': X, 'a.c': Y }` as `{ a: { b: X, c: Y } }`. */
type Nested<V> = { readonly [H in Head<keyof V & string>]: H extends keyof V ? V[H] : Nested<Below<V, H>> }

/** Of the secret of the pair only the one that counts is left, from whichever key it came. */
type Security = Nested<Values>['security'] & { readonly pairSecret: string; readonly secretIsShipped: boolean }

export type Profile = Omit<Nested<Values>, 'security'> & {
  readonly security: Security
  /** The profile's folder, absolute. */
  readonly folder: string
  /** Where relative paths start: the folder that holds `profiles`, else the profile's own folder. */
  readonly root: string
}

/** Known to everybody: good for trying out on one machine, and refused anywhere else. */
export const SHIPPED_SECRET = 'shipped-with-lockstep-for-one-machine-only'

export function nest(values: Values, place: { folder: string; root: string; pairSecret: string }): Profile {
  const profile: Record<string, unknown> = { folder: place.folder, root: place.root }
  for (const name of keyNames) {
    const parts = name.split('.')
    let section = profile
    for (const part of parts.slice(0, -1)) section = (section[part] ??= {}) as Record<string, unknown>
    section[parts.at(-1) as string] = values[name]
  }
  Object.assign(profile['security'] as object, {
    pairSecret: place.pairSecret,
    secretIsShipped: place.pairSecret === SHIPPED_SECRET,
  })
  return profile as unknown as Profile
}
