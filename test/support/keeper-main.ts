// A keeper's process with the dummy broker as its child.   argv: <LockFile> <label> <mode> <P> <R> <Q> <stop limit ms>

import { fileURLToPath } from 'node:url'
import { CodedError } from '../../src/base/errors.ts'
import type { ServerLabel } from '../../src/ha/record.ts'
import { deriveIntervals } from '../../src/profiles/intervals.ts'
import { runKeeper } from '../../src/server/keeper-process.ts'

const [lockFile = '', label = '', mode = '', P = '', R = '', Q = '', stopLimitMs = ''] = process.argv.slice(2)
const intervals = deriveIntervals({
  pingInterval: Number(P),
  activeLockReacquisitionInterval: Number(R),
  passiveLockAcquisitionInterval: Number(Q),
})
const say = (what: string, value: unknown): void => void process.stdout.write(`${JSON.stringify([what, value])}\n`)
try {
  await runKeeper({
    lockFile,
    label: label as ServerLabel,
    intervals,
    brokerModule: fileURLToPath(new URL('dummy-broker.ts', import.meta.url)),
    brokerArgs: [mode, `${intervals.brokerAliveMs}`],
    log: (level, line) => say(level, line),
    stopLimitMs: Number(stopLimitMs),
  })
} catch (error) {
  if (!(error instanceof CodedError)) throw error
  say('error', error.line())
  process.exitCode = 1
}
