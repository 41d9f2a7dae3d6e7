// The folder that the gateway exports: names, files, and what of them would survive a crash of its machine. Executes one
// request at once and wholly, as the file system of the share's server does. Delays and faults on the way: share.ts.

import type { ShareOutcome, ShareRequest } from '../ha/share.ts'
import type { Dice } from './dice.ts'

const DONE: ShareOutcome = { ok: true, names: [], text: '' }
export const refused = (code: string): ShareOutcome => ({ ok: false, code, message: 'simulated' })

const splitAt = (path: string): number => path.lastIndexOf('/')
const folderOf = (path: string): string => path.slice(0, splitAt(path)) || '/'
const nameOf = (path: string): string => path.slice(splitAt(path) + 1)

/** Text of a file; null for a folder. */
type Node = string | null

interface Folder {
  readonly identity: number
  readonly nodes: Map<string, Node>
}

/** A file system writes its own journal this often, whatever is asked. */
const COMMIT_MS = 5000

export class ShareTree {
  links = true
  /** Whether anything is lost when the machine crashes that was not flushed. */
  loses = false
  #folders = new Map<string, Folder>([['/', { identity: 0, nodes: new Map() }]])
  #made = 0
  #safe: Map<string, Folder> | null = null
  #since: ShareRequest[] = []
  #safeAt = 0

  apply(request: ShareRequest, now: number): ShareOutcome {
    if (!this.loses) return this.#execute(request)
    if (this.#safe === null || request.op === 'syncdir' || now - this.#safeAt > COMMIT_MS) this.#commit(now)
    const outcome = this.#execute(request)
    if (outcome.ok && request.op !== 'read' && request.op !== 'readdir' && request.op !== 'stat')
      this.#since.push(request)
    return outcome
  }

  #commit(now: number): void {
    this.#safe = this.copy()
    this.#since = []
    this.#safeAt = now
  }

  /** The machine crashes: of what was not flushed only the beginning is there, as a journalling file system has it. */
  crash(dice: Dice): number {
    if (!this.loses || this.#safe === null) return 0
    const kept = dice.whole(0, this.#since.length)
    const lost = this.#since.length - kept
    const replay = this.#since.slice(0, kept)
    this.restore(this.#safe)
    for (const request of replay) this.#execute(request)
    this.#commit(this.#safeAt)
    return lost
  }

  copy(): Map<string, Folder> {
    return new Map([...this.#folders].map(([path, { identity, nodes }]) => [path, { identity, nodes: new Map(nodes) }]))
  }

  restore(folders: Map<string, Folder>): void {
    this.#folders = new Map(
      [...folders].map(([path, { nodes }]) => [path, { identity: ++this.#made, nodes: new Map(nodes) }]),
    )
    this.#safe = null
  }

  names(folder: string): string[] {
    return [...(this.#folders.get(folder)?.nodes.keys() ?? [])]
  }

  text(path: string): string | null {
    return this.#folders.get(folderOf(path))?.nodes.get(nameOf(path)) ?? null
  }

  #execute(request: ShareRequest): ShareOutcome {
    const { op, path } = request
    if (op === 'readdir') {
      const folder = this.#folders.get(path)
      return folder === undefined ? refused('ENOENT') : { ok: true, names: [...folder.nodes.keys()], text: '' }
    }
    const folder = this.#folders.get(folderOf(path))
    if (folder === undefined) return refused('ENOENT')
    const name = nameOf(path)
    const node = folder.nodes.get(name)
    switch (op) {
      case 'mkdir':
        if (node !== undefined) return refused('EEXIST')
        folder.nodes.set(name, null)
        this.#folders.set(path, { identity: ++this.#made, nodes: new Map() })
        return DONE
      case 'create':
        if (node !== undefined) return refused('EEXIST')
        folder.nodes.set(name, request.text ?? '')
        return DONE
      case 'rmdir': {
        const removed = this.#folders.get(path)
        if (removed === undefined) return refused('ENOENT')
        if (removed.nodes.size > 0) return refused('ENOTEMPTY')
        this.#folders.delete(path)
        folder.nodes.delete(name)
        return DONE
      }
      case 'unlink':
        return folder.nodes.delete(name) ? DONE : refused('ENOENT')
      case 'rename': {
        const target = this.#folders.get(folderOf(request.to))
        if (node === undefined || target === undefined) return refused('ENOENT')
        folder.nodes.delete(name)
        target.nodes.set(nameOf(request.to), node)
        return DONE
      }
      case 'link': {
        if (!this.links) return refused('EOPNOTSUPP')
        const target = this.#folders.get(folderOf(request.to))
        if (node === undefined || target === undefined) return refused('ENOENT')
        if (target.nodes.has(nameOf(request.to))) return refused('EEXIST')
        target.nodes.set(nameOf(request.to), node)
        return DONE
      }
      case 'read':
        return typeof node === 'string' ? { ok: true, names: [], text: node } : refused('ENOENT')
      case 'stat':
        return node === undefined
          ? refused('ENOENT')
          : { ok: true, names: [], text: String(this.#folders.get(path)?.identity ?? 0) }
      case 'syncdir':
        return node === undefined && !this.#folders.has(path) ? refused('ENOENT') : DONE
    }
  }
}
