// The log: contracted lines stand as they are told, one line stays one line, JSON has the fields.

import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { createLog, type LogOptions } from '../../src/server/log.ts'

function lines(options: Omit<LogOptions, 'stream'>, told: (log: ReturnType<typeof createLog>) => void): string[] {
  const stream = new PassThrough()
  told(createLog({ ...options, stream }))
  return String(stream.read() ?? '')
    .split('\n')
    .slice(0, -1)
}

describe('server: the log', () => {
  it('puts time and level before the text and nothing else', () => {
    const [line] = lines({ format: 'human' }, log =>
      log('info', 'Primary Server switched to ACTIVE (epoch 3)', { epoch: 3 }),
    )
    assert.match(
      line ?? '',
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO  Primary Server switched to ACTIVE \(epoch 3\)$/,
    )
  })
  it('writes JSON with fields', () => {
    const [line] = lines({ format: 'json', fields: { server: 'primary' } }, log => log('warn', 'x', { epoch: 3 }))
    const { timestamp, ...rest } = JSON.parse(line ?? '') as Record<string, unknown>
    assert.match(String(timestamp), /Z$/)
    assert.deepEqual(rest, { server: 'primary', level: 'warn', message: 'x', epoch: 3 })
  })
  it('lets nobody forge a line or flood one', () => {
    const forged = 'x\n2026-01-01T00:00:00.000Z INFO  Primary Server switched to ACTIVE\u001b[2J\u2028y'
    for (const format of ['human', 'json'] as const) {
      const told = lines({ format }, log => log('error', forged + 'z'.repeat(10_000)))
      assert.equal(told.length, 1)
      assert.doesNotMatch(told[0] ?? '', /\u001b|\\n|\\u001b/)
      assert.ok((told[0] ?? '').length < 5000)
    }
  })
  it('leaves out what is below its level', () => {
    assert.deepEqual(
      lines({ format: 'human' }, log => log('debug', 'x')),
      [],
    )
    assert.equal(lines({ format: 'human', level: 'debug' }, log => log('debug', 'x')).length, 1)
  })
  it('loses lines, and says how many, rather than growing while nobody reads', () => {
    const stream = new PassThrough()
    const log = createLog({ format: 'human', stream })
    for (let i = 0; i < 5000; i++) log('info', 'x'.repeat(3000))
    assert.ok(stream.writableLength < 5 * 1024 * 1024)
    while (stream.read() !== null);
    log('info', 'again')
    assert.match(String(stream.read()), /WARN  \d+ lines are missing here.*\n.*again/)
  })
  it('outlives its console', () => {
    const stream = new PassThrough()
    const log = createLog({ format: 'human', stream })
    stream.destroy(new Error('EPIPE'))
    log('info', 'x')
  })
})
