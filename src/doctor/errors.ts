// What a server says when the quick part of the doctor does not let it start, and what its continuous self-test says
// while it runs. The doctor's own report is made of findings (finding.ts); a refusal is one of them as a coded error.

import { type CodedError, defineErrors, type ErrorEntry } from '../base/errors.ts'
import { rows, type Finding, type FindingName } from './finding.ts'

const refusals = (Object.keys(rows) as FindingName[]).filter(name => rows[name][0] === 'refuse')

const doctorError = defineErrors(
  'DOCTOR',
  Object.fromEntries(
    refusals.map((name): [string, ErrorEntry] => {
      const [, what, why, remedy] = rows[name]
      return [name, { what: `${what} ${why}`, remedy }]
    }),
  ),
)

/** A finding that refuses, as the error that ends a start. */
export const refusalOf = (finding: Finding): CodedError =>
  doctorError(finding.code.slice('DOCTOR-'.length), finding.details)

// prettier-ignore
const selfTestErrors = {
  'RENEWAL-SLOW': {
    what: 'A renewal of the lock took {ms} ms; one operation on the share is given up after {boundMs} ms.',
    remedy: 'Look at the gateway, the network to it and its load; lockstep doctor measures the share and names intervals that fit.',
  },
  'LOOK-SLOW': {
    what: 'A look at the LockFile took {ms} ms; one operation on the share is given up after {boundMs} ms.',
    remedy: 'Look at the gateway, the network to it and its load; lockstep doctor measures the share and names intervals that fit.',
  },
  'APPEND-SLOW': {
    what: 'Writing to the register took {ms} ms for one operation, which is given up after {boundMs} ms.',
    remedy: 'Look at the disk of the gateway: records are flushed there. lockstep doctor measures the share.',
  },
  'LISTING-STALE': {
    what: 'A listing of the lock folder did not show this server\'s own renewal.',
    remedy: 'The share caches listings: mount it as docs/doctor.md says. Takeovers take longer until then.',
  },
  'TOKEN-LATE': {
    what: 'A renewal of the other server was seen only {ms} ms after the one before it; after {boundMs} ms its lease would have looked over.',
    remedy: 'Its host, the gateway or the caches of the share are slow: run lockstep doctor --with-peer on both hosts.',
  },
  'RECORD-LATE': {
    what: 'A record of the LockFile that the other server spoke of was seen here only {ms} ms later.',
    remedy: 'The share shows changes late: mount it without caches as docs/doctor.md says. Takeovers take longer until then.',
  },
  'KEEPER-STALL': {
    what: 'The keeper process was held up for {ms} ms; the margin for that is {boundMs} ms.',
    remedy: 'Look for swapping, a starved or paused machine; give it a processor more, or give the lock more time.',
  },
  'BROKER-STALL': {
    what: 'The broker process was held up for {ms} ms; the margin for that is {boundMs} ms.',
    remedy: 'Look for swapping, a starved or paused machine; give it a processor more, or give the lock more time.',
  },
  'FLUSH-SLOW': {
    what: 'A flush of the journal took {ms} ms; a peer that says nothing for {boundMs} ms counts as gone.',
    remedy: 'Look at the disk of dataDirectory and at what else writes there; lockstep doctor measures it.',
  },
  'PING-SLOW': {
    what: 'The other server answered a ping after {ms} ms; after {boundMs} ms it counts as gone.',
    remedy: 'Look at the network between the servers and at the load of the other one.',
  },
  'CLOCK-JUMP': {
    what: 'The time of day moved by {ms} ms against the monotonic clock.',
    remedy: 'Let a time daemon slew the clock instead of setting it. A machine that was suspended looks like this too: never suspend it.',
  },
} as const

export type SelfTestErrorName = keyof typeof selfTestErrors

export const selfTestError = defineErrors('SELFTEST', selfTestErrors)
