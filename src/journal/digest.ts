// The rolling digest: one integer of 52 bits that stands for all records up to one. It is no protection against a
// forger; it tells two servers whether their journals hold the same records, and recovery whether stale bytes slipped in.

import type { Digest } from './position.ts'

const LANE = 0x1_0000_0000

/**
 * The digest after one more record. A low lane of 32 bits and a high lane of 20; for a given record the step is a
 * bijection, so two journals that have parted never meet again by appending the same records.
 */
export function mix(digest: Digest, crc: number, epoch: number, length: number): Digest {
  let high = (digest / LANE) | 0
  let low = (digest - high * LANE) | 0
  low = Math.imul(low ^ crc, 0x9e3779b1)
  low ^= low >>> 15
  low = (low + Math.imul(high + 1, 0x27d4eb2f) + Math.imul(epoch ^ (length << 7), 0x165667b1)) | 0
  low = Math.imul(low ^ (low >>> 13), 0x85ebca77)
  low ^= low >>> 16
  high = (high + (Math.imul(low ^ crc, 0xc2b2ae3d) >>> 12)) & 0xfffff
  return high * LANE + (low >>> 0)
}
