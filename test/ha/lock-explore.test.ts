// Every order in which two servers' leases can meet on one share, one operation at a time, with operations that are given
// up and executed later or never: never two valid holders. And that this search finds what it is for: with any one of the
// guards taken out it shows a way to two holders.

import assert from 'node:assert/strict'
import { Lease } from '../../src/ha/lease.ts'
import type { ShareOutcome, ShareRequest, ShareSteps } from '../../src/ha/share.ts'
import { explore, Play, wander } from '../support/explore.ts'
import type { World } from '../support/explore.ts'
import { runNow } from '../support/memory-share.ts'

const LEASE_MS = 1000
const MARGIN_MS = 100
const STEP_MS = 500

interface Bounds {
  readonly servers: number
  readonly timeSteps: number
  readonly abandons: number
  readonly held: boolean
  /** Pieces of work that each server begins at most. */
  readonly works: number
}

/** Changes what a lease asks of the share, or what it is told: a guard taken out. */
type Mutant = () => (request: ShareRequest) => ShareSteps<ShareOutcome>

const honest: Mutant = () =>
  function* (request) {
    return yield request
  }

function* through<T>(steps: ShareSteps<T>, mutant: Mutant): ShareSteps<T> {
  const ask = mutant()
  let step = steps.next()
  while (step.done !== true) step = steps.next(yield* ask(step.value))
  return step.value
}

class Leases implements World {
  readonly #play: Play
  readonly #bounds: Bounds
  readonly #mutant: Mutant
  #now = 0
  readonly #leases: Lease[]
  readonly #works: number[]
  /** What the leases remember beside what they show: the start of a renewal without an answer, acquisitions begun. */
  readonly #memory: string[]

  constructor(bounds: Bounds, mutant: Mutant) {
    const nodes = ['primary', 'secondary', 'third'].slice(0, bounds.servers)
    this.#play = new Play(nodes.length)
    this.#works = nodes.map(() => 0)
    this.#memory = nodes.map(() => '')
    this.#bounds = bounds
    this.#mutant = mutant
    const clock = { now: () => this.#now, wall: () => this.#now, after: () => ({ cancel: () => {} }), soon: () => {} }
    this.#leases = nodes.map(
      (node, i) =>
        new Lease({ folder: '/lock', node, instance: `a${i}`, leaseMs: LEASE_MS, marginMs: MARGIN_MS }, clock),
    )
    if (bounds.held) runNow(this.#play.share, this.#leases[0]!.acquire())
  }

  choices(): string[] {
    const found: string[] = []
    const { abandons, timeSteps, works } = this.#bounds
    for (const [i, lease] of this.#leases.entries()) {
      if (this.#play.running[i] !== null) {
        found.push(`execute ${i}`)
        if (this.#play.abandoned < abandons) found.push(`abandon ${i}`)
      } else if (this.#works[i]! < works) {
        found.push(...(lease.held ? [`renew ${i}`, `release ${i}`] : [`acquire ${i}`]))
      }
    }
    for (const i of this.#play.late.keys()) found.push(`late ${i}`)
    if (this.#now < timeSteps * STEP_MS) found.push('time 0')
    return found
  }

  take(choice: string): void {
    const [what, which] = choice.split(' ')
    const i = Number(which)
    const lease = this.#leases[i]!
    const begin = (steps: ShareSteps<unknown>): void => {
      const startedAt = this.#now
      this.#works[i]! += 1
      this.#play.begin(i, `${what} at ${startedAt}`, through(steps, this.#mutant), result => {
        if (what === 'renew' && result.startsWith('error')) this.#memory[i] += ` pending ${startedAt}`
        else this.#memory[i] = this.#memory[i]!.split(' pending')[0] + (what === 'acquire' ? 'a' : '')
      })
    }
    if (what === 'time') this.#now += STEP_MS
    if (what === 'execute') this.#play.execute(i)
    if (what === 'abandon') this.#play.abandon(i)
    if (what === 'late') this.#play.executeLate(i)
    if (what === 'acquire') begin(lease.acquire())
    if (what === 'renew') begin(lease.renew())
    if (what === 'release') begin(lease.release())
  }

  broken(): string | null {
    return this.#leases.filter(lease => lease.valid(this.#now)).length > 1 ? `two valid holders at ${this.#now}` : null
  }

  key(): string {
    const leases = this.#leases.map((lease, i) =>
      [lease.held, lease.deadline, lease.token, lease.unreleased, this.#memory[i], this.#works[i], seen(lease)].join(),
    )
    return [this.#now, ...leases, this.#play.key()].join('\n')
  }
}

const seen = (lease: Lease): string => (lease.seen === null ? '' : `${lease.seen.key}@${lease.seen.since}`)

const deep = process.env['LOCK_EXPLORE_STATES']
const STATES = deep === undefined ? 12_000 : Number(deep)

const search = (bounds: Bounds, mutant: Mutant, states = STATES) =>
  explore(() => new Leases(bounds, mutant), 60, states)

describe('lock: all orders of two leases on one share', function () {
  this.timeout(deep === undefined ? 60_000 : 0)

  const cases: Record<string, Bounds> = {
    'nobody holds it, everything executed': { servers: 2, timeSteps: 3, abandons: 0, held: false, works: 3 },
    'nobody holds it, two operations late': { servers: 2, timeSteps: 2, abandons: 2, held: false, works: 2 },
    'one holds it, everything executed': { servers: 2, timeSteps: 5, abandons: 0, held: true, works: 3 },
    'one holds it, one operation late': { servers: 2, timeSteps: 4, abandons: 1, held: true, works: 3 },
    'one holds it, three operations late': { servers: 2, timeSteps: 3, abandons: 3, held: true, works: 3 },
  }
  for (const [name, bounds] of Object.entries(cases)) {
    it(`${name}: never two valid holders`, () => {
      const { found, states, deepest, complete } = search(bounds, honest)
      if (deep !== undefined)
        console.log(`      ${states} states, depth ${deepest}, ${complete ? 'complete' : 'cut off'}`)
      assert.equal(found, null)
      assert.ok(complete || states >= STATES)
    })
  }

  const one: Bounds = { servers: 2, timeSteps: 4, abandons: 1, held: true, works: 3 }
  const none: Bounds = { servers: 2, timeSteps: 3, abandons: 0, held: false, works: 2 }
  const MANY = 200_000

  const long: Record<string, Bounds> = {
    'two servers, everything executed': { servers: 2, timeSteps: 80, abandons: 0, held: false, works: 200 },
    'two servers, a few operations late': { servers: 2, timeSteps: 80, abandons: 6, held: false, works: 200 },
    'three servers, many operations late': { servers: 3, timeSteps: 80, abandons: 25, held: false, works: 200 },
  }
  const walks = deep === undefined ? 1500 : STATES / 10
  for (const [name, bounds] of Object.entries(long)) {
    it(`long random walks, ${name}: never two valid holders`, () => {
      for (let seed = 1; seed <= walks; seed++) {
        const { found } = wander(() => new Leases(bounds, honest), seed, 300)
        assert.equal(found, null, `seed ${seed}: ${JSON.stringify(found)}`)
      }
    })
  }

  it('finds two holders where whatever is in the folder is removed, and the folder made anew', () => {
    const mutant: Mutant = () =>
      function* (request) {
        if (request.op !== 'rename' || !isFirst(request.to)) return yield request
        const listed = yield { op: 'readdir', path: '/lock' }
        for (const name of listed.ok ? listed.names : []) yield { op: 'unlink', path: `/lock/${name}` }
        yield { op: 'rmdir', path: '/lock' }
        const made = yield { op: 'mkdir', path: '/lock' }
        return made.ok ? yield { op: 'create', path: request.to } : made
      }
    // With the look whether it is alone still in place: that alone does not save it.
    const seeds = Array.from({ length: walks }, (_, i) => i + 1)
    const bounds = long['two servers, everything executed']!
    assert.ok(seeds.some(seed => wander(() => new Leases(bounds, mutant), seed, 300).found !== null))
  })

  it('finds two holders where a silent token is removed and a new one made, instead of renamed', () => {
    const mutant: Mutant = () =>
      function* (request) {
        if (request.op !== 'rename' || !isFirst(request.to)) return yield request
        yield { op: 'unlink', path: request.path }
        return yield { op: 'create', path: request.to }
      }
    // The new holder looks whether it is alone; without that second opinion it takes little to be two.
    assert.notEqual(search(one, blind(mutant), MANY).found, null)
  })

  it('finds two holders where a renewal without an answer counts as one', () => {
    const mutant: Mutant = () =>
      function* (request) {
        const outcome = yield request
        const renews = request.op === 'rename' && !isFirst(request.to)
        return renews && !outcome.ok ? { ok: true, names: [], text: '' } : outcome
      }
    assert.notEqual(search(one, mutant, MANY).found, null)
  })

  it('finds two holders where a new token is not looked at whether it is alone', () => {
    assert.notEqual(search(none, blind(honest), MANY).found, null)
  })
})

/** After putting its first token there, a server is told that it is alone. */
const blind =
  (mutant: Mutant): Mutant =>
  () => {
    const ask = mutant()
    let mine = ''
    return function* (request) {
      const outcome = yield* ask(request)
      if (request.op === 'create' || (request.op === 'rename' && isFirst(request.to))) {
        const path = request.op === 'rename' ? request.to : request.path
        if (outcome.ok) mine = path.slice(path.lastIndexOf('/') + 1)
      }
      return request.op === 'readdir' && mine !== '' ? { ok: true, names: [mine], text: '' } : outcome
    }
  }

const isFirst = (name: string): boolean => name.endsWith('.0')
