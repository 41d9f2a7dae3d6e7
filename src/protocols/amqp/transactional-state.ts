// What is said of transactions on the wire: their numbers as binaries, and the states that name them (Part 4, 4.5).

import { composites, transactions } from './performatives.ts'
import { errorValue } from './terminus.ts'
import type { Failure } from './transactions.ts'
import { asBuffer, binary, described, list, type Value } from './types.ts'

export const ACCEPTED = described(composites.accepted.code, list([]))

export const rejected = ({ condition, text }: Failure): Value =>
  described(composites.rejected.code, list([errorValue(condition, text)]))

export const idBytes = (id: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(id)
  return bytes
}

/** What is said of a delivery that belongs to a transaction, until that is discharged. */
export const transactionalState = (id: number, failure: Failure | null): Value =>
  described(
    transactions.transactional.code,
    list([binary(idBytes(id)), failure === null ? ACCEPTED : rejected(failure)]),
  )

/** -1: it is none of ours. */
export const numberOf = (id: Uint8Array): number => (id.length === 4 ? asBuffer(id).readUInt32BE(0) : -1)
