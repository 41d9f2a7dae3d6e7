// From the text of profile.yaml and the overrides of the command line to values: names and aliases, types, units, ranges,
// defaults. Goes on after a fault, so that all are told at once. Asks the disk only through `ProfileWorld`.

import { isAbsolute, normalize, resolve } from 'node:path'
import { isMap, isScalar, LineCounter, parse, parseDocument, type Document, type YAMLMap } from 'yaml'
import { FaultList, quote, showSource, type Source } from './faults.ts'
import { allNames, isSection, keyNames, keyOf, keys, type Key, type KeyName, type Known, type Values } from './keys.ts'
import { nearest } from './nearest.ts'
import { nest, SHIPPED_SECRET, type Profile } from './profile.ts'
import { checkProfile, type ProfileWorld } from './rules.ts'

export interface ProfileInput {
  /** Absolute. */
  readonly folder: string
  /** As the operator wrote it, for the console. */
  readonly shown: string
  readonly sets: readonly string[]
}

export interface ProfileReading {
  readonly file: string
  readonly list: FaultList
  /** What was sound so far, absolute paths, defaults filled in; a key with a fault is not in it. */
  readonly values: Partial<Values>
  readonly sources: ReadonlyMap<KeyName, Source>
  /** null where its file could not be read. */
  readonly pairSecret: string | null
  /** null where there is a fault. */
  readonly profile: Profile | null
}

interface Raw {
  /** As it is written. */
  readonly name: string
  readonly value: unknown
  readonly source: Source
}

const FILE_BYTES = 1024 * 1024

/** Reads and checks one profile. */
export function readProfile(input: ProfileInput, world: ProfileWorld): ProfileReading {
  const file = `${input.shown.replace(/[\\/]+$/, '')}/profile.yaml`
  const whole: Source = { file, line: 0, option: null }
  const list = new FaultList()
  const raw = new Map<KeyName, Raw>()
  const meant = new Set<string>()
  const sources = new Map<KeyName, Source>()
  const found = world.read(resolve(input.folder, 'profile.yaml'))
  const broken = (problem: string): ProfileReading => {
    list.add('NO-FILE', whole, { problem })
    return { file, list, values: {}, sources, pairSecret: null, profile: null }
  }
  if ('problem' in found) return broken(found.problem)
  if (found.text.length > FILE_BYTES) return broken(`it is larger than ${FILE_BYTES} bytes`)

  const readable = fromYaml(found.text, file, list, raw, meant)
  for (const option of input.sets) fromOption(option, file, list, raw, meant)
  if (!readable) return { file, list, values: {}, sources, pairSecret: null, profile: null }

  const values: Partial<Record<KeyName, unknown>> = {}
  for (const [name, entry] of raw) {
    sources.set(name, entry.source)
    const key = keys[name] as Key<unknown>
    const parsed = key.kind.parse(entry.value)
    if (parsed.ok) values[name] = parsed.value
    else {
      const value = key.kind.secret ? '(a secret)' : quote(entry.value)
      list.add(parsed.fault, entry.source, { key: name, value, rule: key.kind.rule })
    }
  }
  missing(values, raw, meant, whole, list)
  const { root, place } = rootOf(input.folder)
  complete(values, raw, { place, root })

  const sound = values as Partial<Values>
  const at = (name: KeyName): Source => sources.get(name) ?? whole
  const pairSecret = secretOf(sound, at, list, world)
  checkProfile({ values: sound, at, list, world, root, usesShippedSecret: pairSecret === SHIPPED_SECRET })
  const profile =
    list.faults.length === 0 && pairSecret !== null
      ? nest(sound as Values, { folder: input.folder, root, pairSecret })
      : null
  return { file, list, values: sound, sources, pairSecret, profile }
}

/** Where relative paths start: the folder that holds the nearest `profiles` above the profile, else the profile's own. */
function rootOf(folder: string): { root: string; place: string } {
  const parts = folder.split(/[\\/]/)
  const at = parts.lastIndexOf('profiles')
  if (at < 1 || at === parts.length - 1) return { root: folder, place: '' }
  return { root: parts.slice(0, at).join('/') || '/', place: parts.slice(at + 1).join('/') }
}

function fromYaml(text: string, file: string, list: FaultList, raw: Map<KeyName, Raw>, meant: Set<string>): boolean {
  const lines = new LineCounter()
  // With `silent` it would pass over a second document.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const sourceAt = (offset: number): Source => ({ file, line: lines.linePos(offset).line, option: null })
  let readable = true
  for (const { code, pos, message } of document.errors) {
    // A key that is there twice hides nothing else: what it says first counts while the rest is looked at.
    const twice = code === 'DUPLICATE_KEY'
    const key = /^[^\s:]*/.exec(text.slice(pos[0], pos[0] + 100))?.[0] ?? ''
    readable &&= twice
    const problem =
      code === 'MULTIPLE_DOCS'
        ? 'a second document begins here, and a profile is one'
        : twice
          ? `the key ${key} is there twice in one place`
          : message.replace(/\s+/g, ' ')
    list.add('YAML', sourceAt(pos[0]), { problem })
  }
  if (!readable) return false
  if (document.contents === null) return true
  if (!isMap(document.contents)) {
    list.add('YAML', sourceAt(0), { problem: 'a profile is a list of `key: value` lines' })
    return false
  }
  walk(document.contents, '')
  return true

  function walk(map: YAMLMap, prefix: string): void {
    for (const pair of map.items) {
      const node = isScalar(pair.key) ? pair.key : null
      const source = sourceAt(node?.range?.[0] ?? 0)
      const name = prefix + (node === null ? '(not a name)' : String(node.value))
      const key = keyOf(name)
      if (key !== undefined) take(key, name, { name, value: plain(pair.value, document, list, source), source })
      else if (!isSection(name)) unknown(name, source, list, meant)
      else if (isMap(pair.value)) walk(pair.value, `${name}.`)
      else if (!isScalar(pair.value) || pair.value.value !== null)
        list.add('TYPE', source, { key: name, value: 'a single value', rule: 'a section with keys of its own' })
    }
  }

  function take(key: KeyName, name: string, entry: Raw): void {
    const former = raw.get(key)
    if (former === undefined) raw.set(key, entry)
    // The same name again has been told of by the parser.
    else if (former.name !== name)
      list.add('TWICE', entry.source, { key, alias: name, other: showSource(former.source) })
  }
}

function plain(node: unknown, document: Document, list: FaultList, source: Source): unknown {
  try {
    return (node as { toJS?: (d: Document, o: object) => unknown } | null)?.toJS?.(document, { maxAliasCount: 50 })
  } catch {
    list.add('YAML', source, { problem: 'an anchor is used too often or does not exist' })
    return undefined
  }
}

function unknown(name: string, source: Source, list: FaultList, meant: Set<string>): void {
  const known = nearest(name, allNames)
  if (known !== null) meant.add(keyOf(known) as string)
  list.add('UNKNOWN', source, { key: name, nearest: known === null ? '' : `, but there is ${known}` })
}

/** One `--set key=value`: takes the place of what the file says. */
function fromOption(option: string, file: string, list: FaultList, raw: Map<KeyName, Raw>, meant: Set<string>): void {
  const equals = option.indexOf('=')
  const name = option.slice(0, Math.max(equals, 0)).trim()
  if (name === '') return list.add('OVERRIDE', { file, line: 0, option }, { value: quote(option) })
  const key = keyOf(name)
  // The value may be a secret: a console never shows it.
  const secretive = key !== undefined && (keys[key] as Key<unknown>).kind.secret
  const source: Source = { file, line: 0, option: secretive || name.startsWith('security.') ? `${name}=...` : option }
  const text = option.slice(equals + 1)
  if (name.startsWith('security.users.')) {
    const former = raw.get('security.users')?.value
    const users = { ...(typeof former === 'object' ? former : {}), [name.slice('security.users.'.length)]: text }
    raw.set('security.users', { name, value: users, source })
  } else if (key === undefined) unknown(name, source, list, meant)
  else raw.set(key, { name, value: (keys[key] as Key<unknown>).kind.literal ? text : scalar(text), source })
}

function scalar(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0, logLevel: 'silent' }) as unknown
  } catch {
    return text
  }
}

function missing(
  values: Partial<Record<KeyName, unknown>>,
  raw: ReadonlyMap<KeyName, Raw>,
  meant: ReadonlySet<string>,
  whole: Source,
  list: FaultList,
): void {
  const kind = values['kind']
  for (const name of keyNames) {
    const key = keys[name] as Key<unknown>
    const entry = raw.get(name)
    if (entry !== undefined && key.only !== null && kind !== undefined && key.only !== kind)
      list.add('KIND', entry.source, { key: name, value: String(kind), rule: key.only })
    // A misspelt key is told once, as unknown, not again as missing.
    if (key.mandatory && entry === undefined && !meant.has(name) && (key.only === null || key.only === kind))
      list.add('MISSING', whole, { key: name, meaning: key.meaning, rule: key.kind.rule })
  }
}

/** Defaults for what is not given, and absolute paths. A key with a faulty value stays out. */
function complete(
  values: Partial<Record<KeyName, unknown>>,
  raw: ReadonlyMap<KeyName, Raw>,
  at: { place: string; root: string },
): void {
  const absolute = (path: string) => (isAbsolute(path) ? normalize(path) : resolve(at.root, path))
  const lease = values['passiveLockAcquisitionInterval']
  let known: Known = { place: at.place, leaseMs: typeof lease === 'number' ? lease : 0, dataDirectory: 'var' }
  for (const name of keyNames) {
    const key = keys[name] as Key<unknown>
    if (!raw.has(name) && (!key.mandatory || key.only !== null))
      values[name] = typeof key.default === 'function' ? (key.default as (k: Known) => unknown)(known) : key.default
    if (key.kind.path && typeof values[name] === 'string') values[name] = absolute(values[name])
    if (name === 'dataDirectory' && typeof values[name] === 'string') known = { ...known, dataDirectory: values[name] }
  }
}

function secretOf(
  values: Partial<Values>,
  at: (name: KeyName) => Source,
  list: FaultList,
  world: ProfileWorld,
): string | null {
  const inline = values['security.pairSecret']
  const file = values['security.pairSecretFile']
  if (inline === undefined || file === undefined) return null
  if (file === null) return inline ?? SHIPPED_SECRET
  const source = at('security.pairSecretFile')
  if (inline !== null) {
    const other = showSource(at('security.pairSecret'))
    list.add('TWICE', source, { key: 'security.pairSecretFile', alias: 'security.pairSecret', other })
    return null
  }
  const found = world.read(file)
  const problem =
    'problem' in found
      ? `which can not be read: ${found.problem}`
      : found.text.trim().length < 16 || found.text.trim().length > 1000
        ? 'which does not hold 16 to 1000 characters'
        : ''
  if (problem === '' && 'text' in found) return found.text.trim()
  list.add('SECRET-FILE', source, { key: 'security.pairSecretFile', value: file, problem })
  return null
}
