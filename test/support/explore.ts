// Explores what several pieces of the lock protocol can do to one share, one operation at a time and in every order, with
// callers that give up on an operation which is then executed later or never. A path is a list of choices and is played
// again from the start to go on from it; states that were seen are not gone into again.

import type { ShareOutcome, ShareRequest, ShareSteps } from '../../src/ha/share.ts'
import { MemoryShare } from './memory-share.ts'

/** What one actor is doing: a piece of protocol that waits for an outcome. */
interface Running {
  readonly steps: ShareSteps<unknown>
  request: ShareRequest
  readonly done: (result: string) => void
  /** All it was told so far: with its beginning, its whole state. */
  history: string
}

export interface Late {
  readonly actor: number
  readonly request: ShareRequest
}

const GIVEN_UP: ShareOutcome = { ok: false, code: 'ETIMEDOUT', message: 'given up' }

/** A world that is played: the share, its actors, and the operations that nobody waits for any more. */
export class Play {
  readonly share = new MemoryShare()
  readonly running: (Running | null)[]
  readonly late: Late[] = []
  abandoned = 0

  constructor(actors: number) {
    this.running = Array.from({ length: actors }, () => null)
  }

  begin(actor: number, name: string, steps: ShareSteps<unknown>, done: (result: string) => void = () => {}): void {
    const running: Running = { steps, request: { op: 'stat', path: '/' }, done, history: name }
    this.running[actor] = running
    this.#advance(actor, running, () => steps.next())
  }

  /** The share executes what the actor asks for and answers. */
  execute(actor: number): void {
    const running = this.running[actor]!
    this.#resume(actor, running, this.share.apply(running.request))
  }

  /** The actor waits no longer; the share may execute it later. */
  abandon(actor: number): void {
    const running = this.running[actor]!
    this.abandoned += 1
    if (changes(running.request)) this.late.push({ actor, request: running.request })
    this.#resume(actor, running, GIVEN_UP)
  }

  executeLate(index: number): void {
    const [late] = this.late.splice(index, 1)
    this.share.apply(late!.request)
  }

  #resume(actor: number, running: Running, outcome: ShareOutcome): void {
    running.history += `;${outcome.ok ? `${outcome.names.join(',')}${outcome.text}` : outcome.code}`
    this.#advance(actor, running, () => running.steps.next(outcome))
  }

  #advance(actor: number, running: Running, next: () => IteratorResult<ShareRequest, unknown>): void {
    let step: IteratorResult<ShareRequest, unknown>
    try {
      step = next()
    } catch (error) {
      this.running[actor] = null
      running.done(`error ${(error as { code?: string }).code ?? String(error)}`)
      if (!('code' in (error as object))) throw error
      return
    }
    if (step.done === true) {
      this.running[actor] = null
      running.done(String(step.value))
    } else running.request = step.value
  }

  key(): string {
    const nodes = [...this.share.nodes].map(([path, text]) => `${path}=${text}`).toSorted()
    const running = this.running.map(r => (r === null ? '-' : `${r.history}>${JSON.stringify(r.request)}`))
    const late = this.late.map(l => JSON.stringify(l)).toSorted()
    return [...nodes, ...running, ...late, this.abandoned].join('\n')
  }
}

const changes = (request: ShareRequest): boolean => !['readdir', 'stat', 'read', 'syncdir'].includes(request.op)

export interface World {
  /** Names of what can happen next; in a fixed order. */
  choices(): string[]
  take(choice: string): void
  /** What must not be is so: a text. */
  broken(): string | null
  key(): string
}

export interface Explored {
  readonly states: number
  readonly deepest: number
  /** True where everything within the depth was seen. */
  readonly complete: boolean
  /** The shortest way to a broken world. */
  readonly found: { readonly path: readonly string[]; readonly what: string } | null
}

/** Breadth first, so that what is found is as short as can be. */
export function explore(make: () => World, depth: number, mostStates: number): Explored {
  const seen = new Set<string>()
  let level: string[][] = [[]]
  let deepest = 0
  for (let d = 0; d <= depth && level.length > 0; d++) {
    deepest = d
    const next: string[][] = []
    for (const path of level) {
      const world = make()
      for (const choice of path) world.take(choice)
      const what = world.broken()
      if (what !== null) return { states: seen.size, deepest, complete: false, found: { path, what } }
      const key = world.key()
      if (seen.has(key)) continue
      seen.add(key)
      if (seen.size >= mostStates) return { states: seen.size, deepest, complete: false, found: null }
      for (const choice of world.choices()) next.push([...path, choice])
    }
    level = next
  }
  return { states: seen.size, deepest, complete: true, found: null }
}

/**
 * One long random way through a world. Who is on often stays on for a while: races need one side to do much between two
 * steps of the other.
 */
export function wander(make: () => World, seed: number, steps: number): Pick<Explored, 'found'> {
  const world = make()
  const path: string[] = []
  // A small generator with a full period; its upper bits are good enough to wander. Neighbouring seeds are spread first.
  let state = Math.imul(seed, 2_654_435_761) >>> 0
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  for (let i = 0; i < steps; i++) {
    const choices = world.choices()
    if (choices.length === 0) break
    const again = `execute ${path.at(-1)?.split(' ')[1] ?? ''}`
    const stays = random() < 0.6 && path.at(-1) !== 'time 0' && choices.includes(again)
    const choice = stays ? again : choices[Math.floor(random() * choices.length)]!
    path.push(choice)
    world.take(choice)
    const what = world.broken()
    if (what !== null) return { found: { path, what } }
  }
  return { found: null }
}
