// Stories of pairs that are mostly waiting, run side by side: each `describe` of this folder is a lane with a pair of its
// own, whose steps follow one another; a few lanes run at once, and mocha waits for each step and reports it. They begin
// when mocha comes to the first of them.

type Act = () => unknown
interface Step {
  readonly title: string
  readonly act: Act
  readonly done: Promise<void>
  readonly settle: (error: unknown) => void
}

class Lane {
  readonly title: string
  readonly steps: Step[] = []
  before: Act = () => {}
  after: Act = () => {}
  /** After each step; `failed` says how it ended. */
  afterEach: (failed: boolean) => unknown = () => {}
  readonly over: Promise<void>
  #end: (over: Promise<void>) => void = () => {}

  constructor(title: string) {
    this.title = title
    this.over = new Promise(resolve => {
      this.#end = resolve
    })
  }

  step(title: string, act: Act): void {
    let settle: Step['settle'] = () => {}
    const done = new Promise<void>((resolve, reject) => {
      settle = error => (error === undefined ? resolve() : reject(error as Error))
    })
    // Mocha may come to it much later than it fails.
    done.catch(() => {})
    this.steps.push({ title, act, done, settle })
  }

  async run(): Promise<void> {
    const begun = await outcome(this.before)
    for (const { act, settle } of this.steps) {
      let error = begun
      if (error === undefined) {
        error = await outcome(act)
        const checked = await outcome(() => this.afterEach(error !== undefined && error !== SKIPPED))
        error ??= checked
      }
      settle(error)
    }
    const over = Promise.resolve().then(() => this.after()) as Promise<void>
    over.catch(() => {})
    this.#end(over)
    await over.catch(() => {})
  }
}

/** Undefined where it went well. */
async function outcome(act: Act): Promise<unknown> {
  try {
    await act()
    return undefined
  } catch (error) {
    return error
  }
}

const SKIPPED = new Error('skipped')
/** Ends a step, or with it a whole lane, that can't run here. */
export function skip(why: string): never {
  console.log(`      skipped: ${why}`)
  throw SKIPPED
}

/** More at once would measure the machine. */
const AT_ONCE = 3
const lanes: Lane[] = []
let running = false

function runAll(): void {
  if (running) return
  running = true
  const waiting = [...lanes]
  const next = async (): Promise<void> => {
    for (let lane = waiting.shift(); lane !== undefined; lane = waiting.shift()) await lane.run()
  }
  for (let i = 0; i < AT_ONCE; i++) void next()
}

/** Declares a lane: `tell` names its steps, in their order. */
export function story(title: string, tell: (lane: Lane) => void): void {
  const lane = new Lane(title)
  tell(lane)
  lanes.push(lane)
  describe(title, function () {
    this.timeout(600_000)
    before(runAll)
    for (const { title, done } of lane.steps)
      it(title, async function () {
        await done.catch((error: unknown) => {
          if (error === SKIPPED) this.skip()
          throw error
        })
      })
    after(() => lane.over)
  })
}
