// What the smallest server of a test needs beside its journal: a state that is a list, and a disk for its one file.

import assert from 'node:assert/strict'

import type { RecordSink, RecordView } from '../../src/journal/commit.ts'
import type { Disk } from '../../src/journal/disk.ts'

/** Folds records into a list of their bodies; complains where order or contiguity is broken. */
export class ListSink implements RecordSink {
  readonly bodies: string[] = []
  readonly #pending = new Map<number, string>()
  readonly #onApply: (sequence: number, body: string) => void
  readonly #onCommitted: (sequence: number, body: string) => void
  #restoring = ''

  constructor(
    onApply: (sequence: number, body: string) => void,
    onCommitted: (sequence: number, body: string) => void,
  ) {
    this.#onApply = onApply
    this.#onCommitted = onCommitted
  }

  made(sequence: number, body: string): void {
    this.#pending.set(sequence, body)
  }

  committed(sequence: number): void {
    while (this.bodies.length < sequence) {
      const next = this.bodies.length + 1
      const body = this.#pending.get(next)
      assert(body !== undefined, `record ${next} is committed but was not made here`)
      this.#pending.delete(next)
      this.bodies.push(body)
      this.#onCommitted(next, body)
    }
  }

  apply(record: RecordView): void {
    assert.equal(record.sequence, this.bodies.length + 1, 'applied in order')
    assert.equal(this.#pending.size, 0, 'a state with records of its own follows nobody')
    const body = Buffer.from(record.body).toString()
    this.#onApply(record.sequence, body)
    this.bodies.push(body)
  }

  reset(): void {
    this.bodies.length = 0
    this.#pending.clear()
    this.#restoring = ''
  }

  snapshot(): Uint8Array[] {
    const text = Buffer.from(JSON.stringify(this.bodies))
    const chunks: Uint8Array[] = []
    for (let at = 0; at < text.length; at += 1000) chunks.push(text.subarray(at, at + 1000))
    return chunks
  }

  restore(chunk: Uint8Array): void {
    this.#restoring += Buffer.from(chunk).toString('latin1')
  }

  restored(): void {
    this.bodies.push(...(JSON.parse(this.#restoring) as string[]))
    this.#restoring = ''
  }
}

/** A disk for the store state alone. */
export const smallDisk = (): Disk => {
  const files = new Map<string, Uint8Array>()
  const disk: Partial<Disk> = {
    read: name => files.get(name) ?? null,
    replace: (name, bytes) => void files.set(name, Buffer.from(bytes)),
  }
  return disk as Disk
}
