// A broker that does nothing but what its keeper must see: wants the lock, begins a reign, says what it is told, one JSON
// line each. `deaf` does not stop when asked, `slow` is busy for a while before it begins, `refused` cannot start.

import { realClock as clock } from '../../src/server/clock.ts'
import { keeperPipe, START_REFUSED } from '../../src/server/keeper-pipe.ts'
import { ORIGIN } from '../../src/journal/position.ts'

const [mode = '', aliveMs = ''] = process.argv.slice(2)
const say = (what: string, value: unknown = ''): void => void process.stdout.write(`${JSON.stringify([what, value])}\n`)
const link = keeperPipe(clock, Number(aliveMs))
let appended = false
let held = false
let last = 0

if (mode === 'slow') {
  await new Promise(resolve => setTimeout(resolve, 3 * Number(aliveMs)))
  const until = clock.now() + 16 * Number(aliveMs)
  while (clock.now() < until);
}
if (mode === 'refused') process.exit(START_REFUSED)
link.onGone = () => {
  say('gone', clock.now())
  process.exit(7)
}
link.onMessage = message => {
  if (message.type === 'alive' || message.type === 'probed') return
  if (message.type === 'stop') {
    say('stop')
    if (mode === 'deaf') return
    link.send({ type: 'leaving' })
    setTimeout(() => process.exit(0), 100)
    return
  }
  if (message.type === 'appended') {
    if (message.outcome === 'won') link.send({ type: 'reign', epoch: last })
    return say(message.outcome, last)
  }
  if (message.held !== held) {
    held = message.held
    say(held ? 'held' : 'not held', message.deadline)
  }
  if (message.fault !== null) say('fault', message.fault.code)
  if (message.held && message.recordKnown && !appended) {
    appended = true
    last = (message.record?.seq ?? 0) + 1
    const base = {
      pairId: 'p',
      seq: last,
      id: `${process.pid}`,
      epoch: last,
      holder: 'primary',
      reason: 'take over',
    } as const
    link.send({
      type: 'append',
      request: 1,
      record: { ...base, inSync: [], note: '', position: ORIGIN, wallMs: clock.wall() },
    })
  }
}
say('broker', process.pid)
link.send({ type: 'want', lock: true, freedToken: '', hot: true })
