// Takes in a snapshot that the active server sends: into the journal's file and, at the same time, into the state. One
// piece is written at a time, and the sender is told of each, so that no more is held than its window.

import { crc32 } from 'node:zlib'

import { BrokenPromise } from '../base/assert.ts'
import type { RecordSink } from '../journal/commit.ts'
import { samePosition } from '../journal/position.ts'
import type { SnapshotInfo, SnapshotWriter } from '../journal/types.ts'
import { replicationError } from './errors.ts'
import type { FrameFields } from './frames.ts'
import type { ReplicationLimits } from './limits.ts'

export interface SnapshotIntakeParts {
  /** What SYNC_BEGIN announced. */
  readonly info: SnapshotInfo
  readonly writer: SnapshotWriter
  /** Was reset already. */
  readonly sink: RecordSink
  readonly limits: ReplicationLimits
  /** So many bytes are written in all. */
  readonly onWritten: (bytes: number) => void
  /** The journal begins with the snapshot now, durably, and the state is restored. */
  readonly onDone: () => void
  readonly onFailed: (error: Error) => void
}

export class SnapshotIntake {
  readonly #parts: SnapshotIntakeParts
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #received = 0
  #crc = 0
  #written = 0
  #writing = false
  #ended = false
  #aborted = false

  constructor(parts: SnapshotIntakeParts) {
    this.#parts = parts
  }

  chunk(bytes: Uint8Array): void {
    const { info, limits } = this.#parts
    if (this.#ended) throw replicationError('PROTOCOL', { frame: 'SNAPSHOT_CHUNK', detail: 'after SNAPSHOT_END' })
    if (this.#received + bytes.length > info.bytes) {
      throw replicationError('SNAPSHOT', { detail: `more than the ${info.bytes} bytes announced` })
    }
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > 2 * limits.snapshotWindowBytes) {
      throw replicationError('FLOOD', { limit: 2 * limits.snapshotWindowBytes })
    }
    this.#received += bytes.length
    this.#crc = crc32(bytes, this.#crc)
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    this.#next()
  }

  end(frame: FrameFields['SNAPSHOT_END']): void {
    const { info } = this.#parts
    if (this.#ended || !samePosition(frame.position, info.position)) {
      throw replicationError('PROTOCOL', { frame: 'SNAPSHOT_END', detail: 'not the snapshot that was begun' })
    }
    const whole = this.#received === info.bytes && frame.bytes === info.bytes && frame.crc === this.#crc
    if (!whole) {
      throw replicationError('SNAPSHOT', { detail: `${this.#received} of ${info.bytes} bytes, or a wrong checksum` })
    }
    this.#ended = true
    this.#next()
  }

  /** What comes from the disk afterwards is ignored. */
  abort(): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#waiting = []
    this.#parts.writer.abort()
  }

  #next(): void {
    if (this.#writing || this.#aborted) return
    const chunk = this.#waiting.shift()
    if (chunk !== undefined) {
      this.#waitingBytes -= chunk.length
      this.#write(chunk)
    } else if (this.#ended) {
      this.#finish()
    }
  }

  #write(chunk: Uint8Array): void {
    const { onFailed, onWritten, sink, writer } = this.#parts
    this.#writing = true
    writer.write(chunk, error => {
      if (this.#aborted) return
      this.#writing = false
      if (error) {
        onFailed(error)
        return
      }
      if (!this.#restore(() => sink.restore(chunk))) return
      this.#written += chunk.length
      onWritten(this.#written)
      this.#next()
    })
  }

  #finish(): void {
    const { onDone, onFailed, sink, writer } = this.#parts
    // The state first: a snapshot that cannot be restored must not become the journal's beginning.
    if (!this.#restore(() => sink.restored())) return
    this.#writing = true
    writer.finish(error => {
      if (this.#aborted) return
      if (error) {
        onFailed(error)
        return
      }
      this.#aborted = true // nothing is left to abort
      onDone()
    })
  }

  #restore(act: () => void): boolean {
    try {
      act()
      return true
    } catch (damage) {
      if (damage instanceof BrokenPromise) throw damage
      this.#parts.onFailed(replicationError('SNAPSHOT', { detail: String((damage as Error).message) }, damage))
      return false
    }
  }
}
