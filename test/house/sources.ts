// The source files of the repository as the house rules see them: text, code without comments and strings, imports.
// A small reader of our own, because a rule must not depend on what a tool of another version understands.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Import {
  /** As written for a package; from the root of the repository for a file. */
  readonly target: string
  readonly line: number
  readonly typeOnly: boolean
}

export interface Source {
  /** From the root of the repository, with slashes. */
  readonly path: string
  readonly text: string
  /** The text with comments and the insides of strings blanked; lines stay where they are. */
  readonly code: string
  readonly imports: readonly Import[]
}

const cached = new Map<string, readonly Source[]>()

/** All TypeScript and JavaScript files below a folder of the repository. */
export function sourcesOf(folder: string): readonly Source[] {
  const known = cached.get(folder)
  if (known) return known
  const names = existsSync(join(ROOT, folder))
    ? readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    : []
  const found = names
    .map(name => posix.join(folder, name.replaceAll('\\', '/')))
    .filter(path => /\.(ts|js|mjs|cjs)$/.test(path) && !posix.basename(path).startsWith('.'))
    .sort()
    .map(path => readSource(path, readFileSync(join(ROOT, path), 'utf8')))
  cached.set(folder, found)
  return found
}

export function readSource(path: string, text: string): Source {
  const code = blank(text)
  return { path, text, code, imports: importsOf(path, text, code) }
}

export const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length

/** Where a pattern (with the flag g) occurs, as `path:line: what`. */
export function places(path: string, text: string, pattern: RegExp, what?: string): string[] {
  return [...text.matchAll(pattern)].map(m => `${path}:${lineAt(text, m.index)}: ${what ?? m[0].trim()}`)
}

/** After these a slash begins a regular expression and not a division. */
const BEFORE_PATTERN = /(^|[(,=:[!&|?{};+\-*%<>~^]|\b(return|typeof|case|in|of|do|else|void|await|yield))\s*$/

function blank(text: string): string {
  let out = ''
  /** Depths of braces at which a template's `${` closes. */
  const templates: number[] = []
  let depth = 0
  let at = 0
  const keep = (n: number): void => {
    out += text.slice(at, at + n)
    at += n
  }
  const hide = (to: number): void => {
    out += text.slice(at, to).replace(/[^\n]/g, ' ')
    at = to
  }
  const template = (): void => {
    let end = at
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end)) end += text[end] === '\\' ? 2 : 1
    hide(Math.min(end, text.length))
    if (text[at] === '`') return keep(1)
    templates.push(depth++)
    keep(2)
  }
  const quoted = (quote: string): number => {
    let end = at + 1
    while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
    return end
  }
  const pattern = (): number => {
    let [end, inClass] = [at + 1, false]
    for (; end < text.length && (inClass || text[end] !== '/') && text[end] !== '\n'; end++)
      if (text[end] === '\\') end++
      else if (text[end] === '[') inClass = true
      else if (text[end] === ']') inClass = false
    return end
  }
  while (at < text.length) {
    const c = text[at] as string
    if (text.startsWith('//', at)) hide(text.indexOf('\n', at) < 0 ? text.length : text.indexOf('\n', at))
    else if (text.startsWith('/*', at)) hide(text.indexOf('*/', at) < 0 ? text.length : text.indexOf('*/', at) + 2)
    else if (c === "'" || c === '"') {
      const end = quoted(c)
      keep(1)
      hide(end)
      keep(1)
    } else if (c === '`') {
      keep(1)
      template()
    } else if (c === '/' && BEFORE_PATTERN.test(out.slice(-40))) {
      const end = pattern()
      keep(1)
      hide(end)
      keep(1)
    } else {
      if (c === '{') depth++
      if (c === '}') depth--
      keep(1)
      if (c === '}' && templates.at(-1) === depth) {
        templates.pop()
        template()
      }
    }
  }
  return out
}

const FROM = /\b(import|export)\b(\s+type\b)?([^'"`;()=]*?)\bfrom\s*['"]|\bimport\s*\(?\s*['"]/g

function importsOf(path: string, text: string, code: string): Import[] {
  return [...code.matchAll(FROM)].map(m => {
    const start = m.index + m[0].length
    const written = text.slice(start, start + text.slice(start).search(/['"]/))
    const names = (m[3] ?? '').replace(/[{}\s]+/g, ' ').split(',')
    const typeOnly = m[2] !== undefined || ((m[3] ?? '').includes('{') && names.every(n => /^\s*(type\s.*)?$/.test(n)))
    const target = written.startsWith('.') ? posix.join(posix.dirname(path), written) : written
    return { target, line: lineAt(text, m.index), typeOnly }
  })
}
