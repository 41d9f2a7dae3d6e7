// Being told to stop, once and again: npm and npx hand on to their child a Ctrl-C that has reached it already.

import assert from 'node:assert/strict'
import { onStopSignals } from '../../src/server/signals.ts'

describe('signals to stop', () => {
  const real = Object.getOwnPropertyDescriptor(performance, 'now')
  afterEach(() => {
    if (real === undefined) Reflect.deleteProperty(performance, 'now')
    else Object.defineProperty(performance, 'now', real)
  })

  it('count as one where they come at once, and as another one later', () => {
    // Whatever runs the tests may listen too.
    const others = process.listenerCount('SIGHUP')
    let at = 1000
    performance.now = () => at
    const heard: string[] = []
    const deaf = onStopSignals(
      () => heard.push('first'),
      () => heard.push('again'),
    )
    // Not SIGINT, to which the runner of tests listens too.
    const tell = (signal: 'SIGTERM' | 'SIGHUP', ms: number): void => {
      at = 1000 + ms
      process.emit(signal, signal)
    }
    tell('SIGHUP', 0)
    tell('SIGHUP', 1)
    tell('SIGTERM', 499)
    assert.deepEqual(heard, ['first'])
    tell('SIGTERM', 501)
    tell('SIGTERM', 502)
    assert.deepEqual(heard, ['first', 'again', 'again'])
    deaf()
    assert.equal(process.listenerCount('SIGHUP'), others)
  })
})
