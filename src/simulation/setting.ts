// What a simulated pair is like before anything goes wrong: intervals, sizes, the share's traits, its clients. Drawn per
// seed; small sizes, so that segments, snapshots and windows are filled within seconds.

import { deriveIntervals, type Intervals } from '../profiles/intervals.ts'
import { DEFAULT_LIMITS, type ReplicationLimits } from '../replication/limits.ts'
import type { Dice } from './dice.ts'

export interface Setting {
  readonly intervals: Intervals
  readonly graceMs: number
  readonly limits: ReplicationLimits
  readonly segmentBytes: number
  readonly snapshotEveryBytes: number
  readonly tailBytes: number
  readonly queueMessages: number
  readonly memoryBytes: number
  readonly queues: number
  readonly producers: number
  readonly consumers: number
  /** A producer sends a message every so many ms, in the mean. */
  readonly paceMs: number
  readonly bodyBytes: number
  /** The same of messages that do more than wait in a queue; 0: there are none. */
  readonly errands: number
  /** A supervisor starts a server again after so long. */
  readonly restartMs: number
  readonly diskMs: number
  readonly links: boolean
  readonly visibilityMs: number
  readonly executesAgain: boolean
  /** The share loses what was not flushed when its machine crashes. */
  readonly loses: boolean
  readonly drift: readonly [number, number]
  /** A consumer's credit, and how long it takes over a message at most. */
  readonly credit: number
  readonly thinkMs: number
  /** A client gives a silent connection up after so long. */
  readonly clientSilenceMs: number
}

/** Some are large enough to be held in the memory of their batch (src/broker/bodies.ts). */
export const MESSAGE_BYTES = 6000
/** What a record has besides a message: its head; or the ranges of many settlements. */
export const RECORD_BYTES = MESSAGE_BYTES + 4096

// pingInterval, activeLockReacquisitionInterval, passiveLockAcquisitionInterval
const CHOICES = [
  [500, 500, 3000],
  [500, 500, 3000],
  [1000, 1000, 3000],
  [400, 200, 2000],
  [1000, 1000, 5000],
  [600, 900, 2500],
] as const

/** The setting of a seed; `plain`: with plain messages only. */
export function settingOf(seed: Dice, plain = false): Setting {
  const errands = seed.fork('errands')
  return {
    ...drawSetting(seed.fork('setting')),
    // In a part of the seeds: with them a pair costs half as much again.
    errands: plain || errands.likely(0.75) ? 0 : errands.stretch(200, 2500),
  }
}

function drawSetting(dice: Dice): Omit<Setting, 'errands'> {
  const [pingInterval, activeLockReacquisitionInterval, passiveLockAcquisitionInterval] = dice.pick(CHOICES)
  const intervals = deriveIntervals({
    pingInterval,
    activeLockReacquisitionInterval,
    passiveLockAcquisitionInterval,
  })
  const kib = (low: number, high: number): number => Math.round(dice.stretch(low, high)) * 1024
  return {
    intervals,
    graceMs: Math.round(dice.stretch(500, 8000)),
    limits: {
      ...DEFAULT_LIMITS,
      windowBytes: kib(8, 256),
      windowBatches: dice.whole(4, 256),
      chunkBytes: kib(2, 64),
      snapshotWindowBytes: kib(2, 64),
      silenceMs: intervals.peerSilenceMs,
      unappliedBytes: kib(1, 64),
      commitRecords: dice.whole(2, 256),
    },
    segmentBytes: kib(20, 48),
    snapshotEveryBytes: kib(8, 64),
    tailBytes: kib(1, 32),
    queueMessages: dice.whole(20, 400),
    memoryBytes: kib(8, 512),
    queues: dice.whole(1, 3),
    producers: dice.whole(1, 2),
    consumers: dice.whole(1, 2),
    paceMs: dice.stretch(100, 1500),
    bodyBytes: dice.stretch(16, 1800),
    restartMs: dice.stretch(100, 3000),
    diskMs: dice.stretch(0.1, 4),
    links: dice.likely(0.9),
    visibilityMs: dice.likely(0.5) ? dice.between(100, 1300) : 0,
    executesAgain: dice.likely(0.3),
    loses: dice.likely(0.3),
    drift: [1 + dice.between(-0.002, 0.002), 1 + dice.between(-0.002, 0.002)],
    credit: dice.whole(1, 4),
    thinkMs: dice.stretch(20, 3000),
    clientSilenceMs: dice.between(2600, 12_000),
  }
}

export const showSetting = (s: Setting): string =>
  `P ${s.intervals.pingMs}, R ${s.intervals.renewMs}, Q ${s.intervals.leaseMs} ms; grace ${s.graceMs} ms; ` +
  `${s.producers} producers every ${s.paceMs.toFixed(0)} ms, ${s.consumers} consumers, ${s.queues} queues${s.errands > 0 ? `, errands every ${s.errands.toFixed(0)} ms` : ''}; ` +
  `share ${s.links ? 'with' : 'without'} links, names late by ${s.visibilityMs.toFixed(0)} ms` +
  `${s.executesAgain ? ', repeats requests' : ''}${s.loses ? ', loses unflushed names' : ''}`
