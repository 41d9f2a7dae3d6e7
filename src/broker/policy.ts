// What is in force for a queue or a topic: its operator's settings where there are any, within the limits of the profile.

import type { AddressSettings, WhenFull } from './address-settings.ts'
import type { Envelope } from './envelope.ts'
import type { BrokerLimits } from './limits.ts'

export interface Policy {
  /** Messages and bytes in one queue. */
  readonly messages: number
  readonly bytes: number
  readonly whenFull: WhenFull
  /** Addresses; null: such messages are gone. */
  readonly deadLetter: string | null
  readonly expiry: string | null
  /** Failed deliveries after which a message is dead. */
  readonly maxDeliveries: number
  readonly redelivery: Redelivery | null
  readonly life: Life | null
}

interface Redelivery {
  readonly delayMs: number
  readonly multiplier: number
  readonly mostMs: number
}

interface Life {
  /** Of messages that have none; Infinity: they live for ever. */
  readonly usualMs: number
  readonly longestMs: number
}

/** What is in force where nothing is settled. */
export const policyOf = (
  { queueMessages, queueBytes }: Pick<BrokerLimits, 'queueMessages' | 'queueBytes'>,
  settings: AddressSettings = {},
): Policy => {
  const { maxMessages = Infinity, maxBytes = Infinity, redeliveryDelayMs = 0, redeliveryMultiplier = 1 } = settings
  const { defaultTimeToLiveMs = Infinity, maxTimeToLiveMs = Infinity, maxRedeliveryDelayMs = Infinity } = settings
  return {
    messages: Math.min(queueMessages, maxMessages),
    bytes: Math.min(queueBytes, maxBytes),
    whenFull: settings.whenFull ?? 'refuse',
    deadLetter: settings.deadLetter ?? null,
    expiry: settings.expiry ?? null,
    maxDeliveries: settings.maxDeliveries ?? Infinity,
    redelivery:
      redeliveryDelayMs === 0
        ? null
        : { delayMs: redeliveryDelayMs, multiplier: redeliveryMultiplier, mostMs: maxRedeliveryDelayMs },
    life:
      Math.min(defaultTimeToLiveMs, maxTimeToLiveMs) === Infinity
        ? null
        : { usualMs: defaultTimeToLiveMs, longestMs: maxTimeToLiveMs },
  }
}

/** The same for a queue that is its own address for dead letters: what would go there again stays as without one. */
export function withoutItself(policy: Policy, name: string): Policy {
  const { deadLetter, expiry, whenFull } = policy
  const cut = expiry === name ? { ...policy, expiry: null } : policy
  if (deadLetter !== name) return cut
  return {
    ...cut,
    deadLetter: null,
    maxDeliveries: Infinity,
    whenFull: whenFull === 'dead-letter' ? 'refuse' : whenFull,
  }
}

/** Of a queue that does not know better. */
export const UNSETTLED: Policy = policyOf({ queueMessages: Infinity, queueBytes: Infinity })

/** A timer's longest time, about: 24 days. */
const LONGEST_MS = 2 ** 31 - 1

/** How long a message waits after so many failed deliveries. */
export const redeliveryMs = ({ delayMs, multiplier, mostMs }: Redelivery, failed: number): number =>
  Math.min(delayMs * multiplier ** (failed - 1), mostMs, LONGEST_MS)

/** The message with the time to live that it may have here, counted from when it may be delivered. */
export function limited(envelope: Envelope, { usualMs, longestMs }: Life, now: number): Envelope {
  const from = Math.max(Math.floor(now), envelope.deliverAt)
  const given = envelope.expiresAt === 0 ? from + usualMs : envelope.expiresAt
  const expiresAt = Math.min(given, from + longestMs)
  return expiresAt === Infinity || expiresAt === envelope.expiresAt ? envelope : { ...envelope, expiresAt }
}
