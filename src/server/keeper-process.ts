// The keeper's process: `lockstep start` is this. It does all that is done on the share, has the broker as its child, and
// ends with it. Putting real ports together and ending well are its only work; the loop is ha/keeper.ts.

import type { Log } from '../base/ports.ts'
import type { ServerLabel } from '../ha/record.ts'
import { SelfTest } from '../doctor/self-test.ts'
import { Keeper } from '../ha/keeper.ts'
import { Lease } from '../ha/lease.ts'
import { Register } from '../ha/register.ts'
import type { ShareDriver } from '../ha/share.ts'
import type { Intervals } from '../profiles/intervals.ts'
import { BrokerProcess } from './broker-process.ts'
import { realChance } from './chance.ts'
import { realClock as clock } from './clock.ts'
import { keeperError } from './keeper-errors.ts'
import { judgeStart } from './doctor-start.ts'
import { ProperLock } from './lockfile.ts'
import { FolderShare } from './share.ts'
import { onStopSignals } from './signals.ts'
import { timedShare } from './timed-share.ts'

export interface KeeperProcessOptions {
  /** Absolute. */
  readonly lockFile: string
  readonly label: ServerLabel
  readonly intervals: Intervals
  /** What the look at the share before the start is judged by; none: both servers are on this machine. */
  readonly hosts?: { readonly gateway: string; readonly peer: string; readonly singleHost: boolean }
  /** The module that the broker's process runs, and its arguments. */
  readonly brokerModule: string
  readonly brokerArgs: readonly string[]
  readonly log: Log
  /** A broker that was asked to stop is killed after this. */
  readonly stopLimitMs?: number
}

/** Of the self-test, fifths of the margin: every two seconds or so. */
const TELL_EVERY_TICKS = 40
/** Handing over includes waiting for the peer to catch up. */
const STOP_LIMIT_MS = 15_000
/** On a busy machine the look takes its time on a share that is well, too. */
const LOOK_LIMIT_MS = 2000
/** A console that takes no output any more must not keep this process. */
const FLUSH_LIMIT_MS = 500

/**
 * Runs until the broker has ended, then ends this process with the broker's exit code (1 where it was killed or crashed).
 * Throws a coded error before anything is started where the LockFile's folder is not fit.
 */
export async function runKeeper(options: KeeperProcessOptions): Promise<never> {
  const { label, intervals, lockFile, log } = options
  const hosts = options.hosts ?? { gateway: '127.0.0.1', peer: '127.0.0.1', singleHost: true }
  const look = { lockFile, leaseMs: intervals.leaseMs, ...hosts }
  const { refusal, lines } = await judgeStart(look, LOOK_LIMIT_MS + 2 * intervals.operationMs)
  for (const { level, line, code } of lines) log(level, line, { code })
  if (refusal !== null) throw refusal
  const share = new FolderShare(clock)
  const code = await superviseBroker(options, share)
  // What was not abandoned comes back within its limit; ending does not wait for more.
  await until(() => share.onTheirWay === 0, intervals.operationMs)
  if (share.onTheirWay > 0) log('error', keeperError('SHARE-HANGS-AT-EXIT', { lockFile, label }).line())
  await flushed()
  // process.exit() would wait for the operation that hangs.
  if (share.onTheirWay > 0) process.kill(process.pid, 'SIGKILL')
  process.exit(code)
}

/** Resolves with the exit code when the broker is reaped and the lock handed back, as far as the share let us. */
function superviseBroker(options: KeeperProcessOptions, share: FolderShare): Promise<number> {
  const { label, intervals, lockFile, log } = options
  const instance = realChance.id()
  const { leaseMs, marginMs, operationMs } = intervals
  const lease = new Lease({ folder: `${lockFile}.lock`, node: label, instance, leaseMs, marginMs }, clock)
  const selfTest = new SelfTest('keeper', clock, log, intervals)
  const lane = (): ShareDriver => timedShare(share.lane(), selfTest, clock, `${lockFile}.lock`, operationMs)
  const lock = new ProperLock(lease, lockFile, lane(), operationMs)
  const register = new Register(lockFile, instance)
  return new Promise(resolve => {
    let code: number | null = null
    let left = false
    const endWhenBoth = (): void => {
      if (code !== null && left) resolve(code)
    }
    const broker = new BrokerProcess(
      {
        module: options.brokerModule,
        args: options.brokerArgs,
        intervals,
        stopLimitMs: options.stopLimitMs ?? STOP_LIMIT_MS,
      },
      clock,
      log,
      {
        onMessage: message => keeper.receive(message),
        onReaped: brokerCode => {
          code = brokerCode
          keeper.leave()
          endWhenBoth()
        },
      },
    )
    const send = broker.send.bind(broker)
    const onLeft = (): void => {
      left = true
      endWhenBoth()
    }
    const keeper = new Keeper(
      { label, lockFile, instance, intervals },
      { clock, log, driver: lane(), lock, register, send, onLeft },
    )
    const stop = (): void => broker.stop()
    onStopSignals(stop, stop)
    log('debug', `keeper pid ${process.pid}, broker pid ${broker.pid}`)
    keeper.start()
    let [told, ticks] = ['', 0]
    selfTest.watch('keeper', () => {
      if (++ticks % TELL_EVERY_TICKS !== 0) return
      const vitals = selfTest.report()
      const text = JSON.stringify(vitals)
      if (text !== told) broker.send({ type: 'vitals', vitals })
      told = text
    })
  })
}

const until = (condition: () => boolean, limitMs: number): Promise<void> =>
  new Promise(resolve => {
    const end = clock.now() + limitMs
    const look = (): void => {
      if (condition() || clock.now() >= end) resolve()
      else clock.after(5, look)
    }
    look()
  })

const flushed = (): Promise<void> =>
  new Promise(resolve => {
    clock.after(FLUSH_LIMIT_MS, resolve)
    process.stdout.write('', () => process.stderr.write('', () => resolve()))
  })
