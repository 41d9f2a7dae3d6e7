// The share as its clients meet it: requests travel through each machine's kernel to the gateway and back. A kernel goes on
// with a request whose process has given up or was killed; the gateway goes on with one whose machine is gone. Names that
// others changed may be seen late. What the lock protocol does about all that: src/ha/lease.ts and register.ts.

import type { ShareDone, ShareDriver, ShareOutcome, ShareRequest, ShareSteps } from '../ha/share.ts'
import type { Dice } from './dice.ts'
import type { Network, Place } from './network.ts'
import { refused, ShareTree } from './share-tree.ts'
import type { Process, Timeline } from './timeline.ts'

/** What a mount answers where the share's server fails, and whether it has done the work all the same. */
export interface Failing {
  readonly probability: number
  readonly codes: readonly string[]
  readonly executed: number
}

interface Request {
  readonly request: ShareRequest
  readonly from: Place
  readonly machine: number
  readonly answer: (outcome: ShareOutcome) => void
}

const CHANGES = new Set(['mkdir', 'create', 'rmdir', 'unlink', 'rename', 'link'])

export class Share {
  readonly tree = new ShareTree()
  /** The share's server takes requests and does nothing with them. */
  hung = false
  failing: Failing | null = null
  /** Names changed by others may be seen so late. */
  visibilityMs = 0
  /** A request whose answer was lost is executed again, and answered anew (no session that remembers it). */
  executesAgain = false
  onExecuted: (request: ShareRequest, outcome: ShareOutcome) => void = () => {}
  readonly #timeline: Timeline
  readonly #network: Network
  readonly #dice: Dice
  #parked: Request[] = []
  /** Lives of the machines: a request that never left one dies with it. */
  readonly #lives = new Map<Place, number>()
  readonly #listings = new Map<string, { at: number; names: readonly string[] }>()
  readonly #ownChanges = new Map<string, number>()

  constructor(timeline: Timeline, network: Network, dice: Dice) {
    this.#timeline = timeline
    this.#network = network
    this.#dice = dice
  }

  machineGone(place: Place): void {
    this.#lives.set(place, (this.#lives.get(place) ?? 0) + 1)
    for (const key of this.#listings.keys()) if (key.startsWith(place)) this.#listings.delete(key)
  }

  release(): void {
    this.hung = false
    const parked = this.#parked
    this.#parked = []
    for (const request of parked) this.#timeline.after(this.#dice.next() * 3, () => this.#serve(request))
  }

  /** A driver for one process: one operation on its way at a time. */
  lane(process: Process, here: Place): ShareDriver {
    const lane = { busy: false }
    return {
      run: <T>(steps: ShareSteps<T>, limitMs: number, done: ShareDone<T>): void => {
        const resume = (outcome: ShareOutcome | null): void => {
          let step: IteratorResult<ShareRequest, T>
          try {
            step = outcome === null ? steps.next() : steps.next(outcome)
          } catch (error) {
            return done(error as Error, undefined)
          }
          if (step.done === true) done(null, step.value)
          else this.#request(process, here, lane, step.value, limitMs, resume)
        }
        process.soon(() => resume(null))
      },
    }
  }

  #request(
    process: Process,
    here: Place,
    lane: { busy: boolean },
    request: ShareRequest,
    limitMs: number,
    resume: (outcome: ShareOutcome) => void,
  ): void {
    if (lane.busy) return process.soon(() => resume(refused('ETIMEDOUT')))
    lane.busy = true
    let waiting = true
    const timer = process.after(limitMs, () => {
      waiting = false
      resume(refused('ETIMEDOUT'))
    })
    const machine = this.#lives.get(here) ?? 0
    const answer = (outcome: ShareOutcome): void => {
      if ((this.#lives.get(here) ?? 0) !== machine) return
      process.arrive(0, () => {
        lane.busy = false
        if (!waiting) return
        timer.cancel()
        resume(outcome)
      })
    }
    const late = this.#late(request, here)
    if (late !== null) return answer(late)
    const cutBefore = this.#network.isCut(here, 'G')
    this.#network.carry(here, 'G', () => {
      // Held back by the machine's own kernel, it is gone with the machine; on its way, it is not.
      if (cutBefore && (this.#lives.get(here) ?? 0) !== machine) return
      this.#serve({ request, from: here, machine, answer })
    })
  }

  /** An older listing, where this machine has one and has changed nothing itself since. */
  #late(request: ShareRequest, here: Place): ShareOutcome | null {
    if (request.op !== 'readdir' || this.visibilityMs === 0) return null
    const key = here + request.path
    const listing = this.#listings.get(key)
    if (listing === undefined || (this.#ownChanges.get(key) ?? -1) >= listing.at) return null
    if (this.#timeline.now - listing.at > this.visibilityMs * (0.3 + 0.7 * this.#dice.next())) return null
    return { ok: true, names: listing.names, text: '' }
  }

  #serve(request: Request): void {
    if (this.hung || !this.#network.gatewayUp) {
      this.#parked.push(request)
      return
    }
    const { failing } = this
    if (failing !== null && this.#dice.likely(failing.probability)) {
      if (this.#dice.likely(failing.executed)) this.#execute(request)
      const outcome = refused(this.#dice.pick(failing.codes))
      return this.#network.carry('G', request.from, () => request.answer(outcome))
    }
    const outcome = this.#execute(request)
    const lost = this.executesAgain && this.#network.isCut('G', request.from)
    this.#network.carry('G', request.from, () => {
      if (!lost) return request.answer(outcome)
      const again = this.#execute(request)
      request.answer(again)
    })
  }

  #execute({ request, from }: Request): ShareOutcome {
    const { now } = this.#timeline
    const outcome = this.tree.apply(request, now)
    if (this.visibilityMs > 0) {
      if (request.op === 'readdir' && outcome.ok)
        this.#listings.set(from + request.path, { at: now, names: outcome.names })
      if (CHANGES.has(request.op)) {
        this.#ownChanges.set(from + folderOf(request.path), now)
        if ('to' in request) this.#ownChanges.set(from + folderOf(request.to), now)
      }
    }
    this.onExecuted(request, outcome)
    return outcome
  }
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'
