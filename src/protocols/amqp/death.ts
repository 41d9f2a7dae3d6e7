// What a consumer is told of a message that is not where its producer sent it: message annotations, written when it is sent
// out. The message itself stays as it came.

import type { Death } from '../../broker/envelope.ts'
import { encode } from './encode.ts'
import { AmqpFault } from './errors.ts'
import { Cursor } from './in-place.ts'
import { HEADER, section } from './message.ts'
import { str, sym, uint, type Value } from './types.ts'

const PREFIX = 'x-opt-death-'
const DELIVERY_ANNOTATIONS = 0x71
const ANNOTATIONS = 0x72

const entriesOf = ({ reason, address, count, at }: Death): Value[] => [
  sym(`${PREFIX}reason`),
  str(reason),
  sym(`${PREFIX}address`),
  str(address),
  sym(`${PREFIX}count`),
  uint(count),
  sym(`${PREFIX}time`),
  { type: 'timestamp', value: BigInt(at) },
]

/** The message with these annotations besides its own. Bytes that are no message stay as they are. */
export function withDeath(bytes: Buffer, death: Death): Buffer {
  const c = new Cursor()
  c.set(bytes, 0, bytes.length)
  try {
    let at = 0
    while (c.at < bytes.length) {
      at = c.at
      const code = section(c)
      if (code === HEADER || code === DELIVERY_ANNOTATIONS) c.skip()
      else if (code === ANNOTATIONS) {
        const from = c.at
        c.skip()
        return joined(bytes, at, kept(bytes, from, c.at), c.at, death)
      } else return joined(bytes, at, { count: 0, pieces: [] }, at, death)
    }
  } catch (error) {
    if (!(error instanceof AmqpFault)) throw error
  }
  return bytes
}

interface Kept {
  count: number
  readonly pieces: Buffer[]
}

/** The entries of a map that are not ours, as they are. */
function kept(bytes: Buffer, from: number, to: number): Kept {
  const c = new Cursor()
  c.set(bytes, from, to)
  const found: Kept = { count: 0, pieces: [] }
  for (let left = c.map(); left > 0; left -= 2) {
    const key = c.at
    c.skip()
    const isOurs = bytes.subarray(key, c.at).includes(PREFIX)
    c.skip()
    if (isOurs) continue
    found.pieces.push(bytes.subarray(key, c.at))
    found.count += 2
  }
  return found
}

/** The section takes the place of what stands between the two. */
function joined(bytes: Buffer, from: number, others: Kept, to: number, death: Death): Buffer {
  const entries = entriesOf(death)
  const content = Buffer.concat([...others.pieces, ...entries.map(encode)])
  const head = Buffer.alloc(12)
  head.set([0, 0x53, ANNOTATIONS, 0xd1])
  head.writeUInt32BE(4 + content.length, 4)
  head.writeUInt32BE(others.count + entries.length, 8)
  return Buffer.concat([bytes.subarray(0, from), head, content, bytes.subarray(to)])
}
