// How two doctors find each other, go through their meeting, and part: on a busy machine either of them may stand still
// at any moment, and neither may lose the other by it.

import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import fs, {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Identity } from '../../src/doctor/peer.ts'
import { DOCTOR_PREFIX } from '../../src/server/doctor-folder.ts'
import type { Told } from '../../src/server/doctor-jobs.ts'
import { LOOKING, type MeetJob, type Met } from '../../src/server/doctor-meeting.ts'
import { Seeker, type Presence } from '../../src/server/doctor-seeking.ts'
import { PRODUCT } from '../cli/run.ts'

const CHILD = join(process.env['LOCKSTEP_DIST'] ?? join(PRODUCT, 'dist'), 'server', 'doctor-child.js')
const [FIRST, LAST] = ['0000000000000001', '0000000000000002']
const identity = (session: string): Identity => ({
  label: session === FIRST ? 'primary' : 'secondary',
  session,
  hostName: 'host',
  machine: '',
  boot: '',
  user: 0,
  leaseMs: 3000,
})
const presence = (session: string): Presence => ({ identity: identity(session), withLinks: true })

describe('doctor: finding the other one', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'doctor-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const seeker = (session: string, waitMs: number): Seeker => {
    const one = new Seeker(folder, presence(session), waitMs)
    one.announce()
    return one
  }
  /** Waits for a name that begins so, without its prefix. */
  const appears = async (start: string): Promise<string> => {
    for (;;) {
      const name = readdirSync(folder).find(each => each.startsWith(DOCTOR_PREFIX + start))
      if (name !== undefined) return name
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }
  const decide = (question: string) => writeFileSync(join(folder, question.replace('meet', 'decided')), '')

  it('both find each other, agree on a name, and leave nothing behind', async () => {
    const both = [seeker(LAST, 10_000), seeker(FIRST, 10_000)]
    const [last, first] = await Promise.all(both.map(each => each.seek()))
    assert.deepEqual([first?.leads, last?.leads], [true, false])
    assert.equal(first?.place, last?.place)
    assert.ok(first && readdirSync(folder).includes(first.place))
    rmdirSync(join(folder, first.place))
    assert.deepEqual([first?.theirs, last?.theirs], [presence(LAST), presence(FIRST)])
    for (const each of both) each.leave()
    assert.deepEqual(readdirSync(folder), [])
  })

  it('nobody there, and ghosts of earlier runs: nobody is met', async () => {
    for (const ghost of ['0000000000000000', '000000000000000f'])
      writeFileSync(join(folder, `${DOCTOR_PREFIX}here.${ghost}.1700000000000`), JSON.stringify(presence(ghost)))
    const one = seeker(LAST, 120)
    assert.equal(await one.seek(), null)
    one.leave()
    assert.equal(readdirSync(folder).length, 2)
  })

  it('a leader that agrees at the last moment is not left alone, though the follower was about to go', async () => {
    const leader = new Seeker(folder, presence(FIRST), 0)
    leader.announce()
    const follower = seeker(LAST, 60_000)
    const sought = follower.seek()
    const question = await appears('meet.')
    // Its time is over before it looks again; by then the leader has agreed.
    follower.goOnFor(-1)
    decide(question)
    assert.equal((await sought)?.leads, false)
    follower.leave()
  })

  it('a follower that has gone is not waited for, and the meeting is not prepared', async () => {
    const follower = new Seeker(folder, presence(LAST), 0)
    follower.announce()
    const question = `${DOCTOR_PREFIX}meet.${LAST}.${FIRST}.1700000000000`
    writeFileSync(join(folder, question), '')
    decide(question)
    const leader = seeker(FIRST, 120)
    assert.equal(await leader.seek(), null)
    assert.ok(!readdirSync(folder).some(name => name.startsWith(`${DOCTOR_PREFIX}meeting`)))
  })

  it('a follower that goes while the leader takes its question is not waited for', async () => {
    const follower = new Seeker(folder, presence(LAST), 0)
    follower.announce()
    const question = `${DOCTOR_PREFIX}meet.${LAST}.${FIRST}.1700000000000`
    writeFileSync(join(folder, question), '')
    const leader = seeker(FIRST, 120)
    // The decision comes between the leader's listing and its own.
    const { mkdirSync: make } = fs
    fs.mkdirSync = ((path: string) => {
      decide(question)
      return make(path)
    }) as typeof fs.mkdirSync
    try {
      assert.equal(await leader.seek(), null)
    } finally {
      fs.mkdirSync = make
    }
    assert.ok(!readdirSync(folder).some(name => name.startsWith(`${DOCTOR_PREFIX}meeting`)))
  })

  it('time that is given while it looks counts: more of it, and less', async () => {
    const hurried = seeker(FIRST, 60_000)
    const sought = hurried.seek()
    hurried.goOnFor(0)
    assert.equal(await sought, null)
    hurried.leave()
    const patient = seeker(FIRST, 1)
    patient.goOnFor(60_000)
    const late = patient.seek()
    await new Promise(resolve => setTimeout(resolve, 100))
    const other = seeker(LAST, 10_000)
    assert.deepEqual([(await other.seek())?.leads, (await late)?.leads], [false, true])
  })
})

describe('doctor: a meeting on a machine that is short of time', function () {
  this.timeout(120_000)
  const PAIRS = 3
  /** Each of them stands still for about half of the time, at moments of chance. */
  const MOST_STILL_MS = 60
  let folder: string
  let children: ChildProcess[]
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'doctor-'))
    children = []
  })
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  const meet = (place: string, session: string, withLinks: boolean, user?: number): Promise<Met> => {
    const as = user === undefined ? {} : { uid: user }
    const child = fork(CHILD, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [], ...as })
    children.push(child)
    const job: MeetJob = { job: 'meet', folder: place, identity: identity(session), waitMs: 60_000, withLinks }
    let over = false
    const stumble = (still: boolean): void => {
      if (over) return
      child.kill(still ? 'SIGSTOP' : 'SIGCONT')
      setTimeout(() => stumble(!still), Math.random() * MOST_STILL_MS)
    }
    return new Promise<Met>((resolve, reject) => {
      child.on('message', (told: Told) => {
        if (told.step === LOOKING) stumble(false)
        if (told.value !== undefined) resolve(told.value as Met)
        if (told.error !== undefined) reject(new Error(told.error.message))
      })
      child.on('exit', code => reject(new Error(`ended with ${code}`)))
      child.send(job)
    }).finally(() => {
      over = true
      child.kill('SIGCONT')
    })
  }

  it('neither loses the other, and nothing is left behind', async () => {
    assert.ok(existsSync(CHILD), `${CHILD} is not built`)
    const places = Array.from({ length: PAIRS }, (_, i) => join(folder, String(i)))
    await Promise.all(
      places.map(async (place, i) => {
        mkdirSync(place)
        // Where one of them knows of no links, neither races for them.
        const [first, last] = await Promise.all([meet(place, FIRST, true), meet(place, LAST, i > 0)])
        for (const [met, theirs] of [
          [first, LAST],
          [last, FIRST],
        ] as const) {
          // prettier-ignore
          assert.deepEqual([met.broken, met.theirs?.session], ['', theirs])
          assert.equal(met.races.length, i > 0 ? 4 : 3)
          assert.deepEqual(met.races.map(race => race.doubles), met.races.map(() => 0)) // prettier-ignore
        }
        assert.deepEqual(first.seenHereMs, last.seenThereMs)
        assert.deepEqual(readdirSync(place), [])
      }),
    )
  })

  it('two users in a folder with the sticky bit: neither may touch what the other made, and they meet', async function () {
    if (process.getuid?.() !== 0) return this.skip()
    chmodSync(folder, 0o1777)
    for (const [first, last] of [
      [undefined, 65_534],
      [65_534, undefined],
    ]) {
      // prettier-ignore
      const both = await Promise.all([meet(folder, FIRST, true, first), meet(folder, LAST, true, last)])
      assert.deepEqual(both.map(({ broken, races }) => [broken, races.length]), [['', 4], ['', 4]]) // prettier-ignore
      assert.deepEqual(readdirSync(folder), [])
    }
  })
})
