// The broker's process: forked by the keeper, ends when it is told to, or when it cannot go on. See server.ts.

import { BrokenPromise } from '../base/assert.ts'
import { CodedError } from '../base/errors.ts'
import { deriveIntervals } from '../profiles/intervals.ts'
import { realClock } from './clock.ts'
import { serverError } from './errors.ts'
import { keeperPipe, START_REFUSED } from './keeper-pipe.ts'
import { createLog, type LogFormat } from './log.ts'
import { loadProfile } from './profile-files.ts'
import { runServer } from './server.ts'

interface Orders {
  readonly folder: string
  readonly sets: readonly string[]
  readonly logFormat: LogFormat
}

/** For the goodbye and the last lines to leave. */
const LAST_WORDS_MS = 100

// Whatever this process makes is for its owner alone: messages and what is kept of passwords are in it. The share is the keeper's.
process.umask(0o077)

const orders = JSON.parse(process.argv[2] ?? '{}') as Orders
const profile = loadProfile(orders.folder, orders.sets)
const log = createLog({ format: orders.logFormat, fields: { server: profile.server } })

const fatal = (error: unknown, exit = 1): void => {
  if (error instanceof CodedError) log('error', error.line())
  else {
    const reason = error instanceof BrokenPromise ? error.message : String((error as Error)?.stack ?? error)
    log('error', serverError('BROKEN-PROMISE', { reason }).line())
  }
  // Nothing may act after a broken promise: not even to say goodbye.
  setTimeout(() => process.exit(exit), LAST_WORDS_MS).ref()
}
process.on('uncaughtException', error => {
  fatal(error)
  process.exit(1)
})
process.on('unhandledRejection', error => {
  fatal(error)
  process.exit(1)
})

const keeper = keeperPipe(realClock, deriveIntervals(profile).brokerAliveMs)
runServer(profile, keeper, log).then(
  code => setTimeout(() => process.exit(code), LAST_WORDS_MS),
  error => fatal(error, error instanceof CodedError ? START_REFUSED : 1),
)
