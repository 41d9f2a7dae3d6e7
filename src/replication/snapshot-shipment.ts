// Sends one snapshot to the follower, piece by piece as its window allows, while clients are served. Knows nothing of the
// records that follow it.

import { crc32 } from 'node:zlib'

import type { SnapshotInfo, SnapshotReader } from '../journal/types.ts'
import type { Frame } from './frames.ts'
import type { ReplicationLimits } from './limits.ts'

export interface SnapshotShipmentParts {
  readonly reader: SnapshotReader
  readonly limits: ReplicationLimits
  readonly epoch: number
  readonly send: (frame: Frame) => void
  /** SNAPSHOT_END is out. */
  readonly onSent: () => void
  readonly onFailed: (error: Error) => void
}

export class SnapshotShipment {
  readonly info: SnapshotInfo
  readonly #parts: SnapshotShipmentParts
  #sent = 0
  #written = 0
  #crc = 0
  #reading = false
  #ended = false
  #closed = false
  #pumping = false

  constructor(parts: SnapshotShipmentParts) {
    this.#parts = parts
    this.info = parts.reader.info
  }

  get sent(): number {
    return this.#sent
  }

  get bytes(): number {
    return this.info.bytes
  }

  start(): void {
    this.#pump()
  }

  /** The follower has written so many bytes in all. */
  written(bytes: number): void {
    this.#written = Math.min(this.#sent, Math.max(this.#written, bytes))
    this.#pump()
  }

  /** While it is not closed the journal keeps the records that follow the snapshot. */
  close(): void {
    this.#ended = true
    if (!this.#closed) this.#parts.reader.close()
    this.#closed = true
  }

  /** One piece at a time; a piece may reach beyond the window by its own size. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (!this.#ended && !this.#reading && this.#sent - this.#written < this.#parts.limits.snapshotWindowBytes) {
      this.#read()
    }
    this.#pumping = false
  }

  #read(): void {
    const { epoch, onFailed, onSent, reader, send } = this.#parts
    this.#reading = true
    reader.next((error, chunk) => {
      this.#reading = false
      if (this.#ended) return
      if (error) {
        onFailed(error)
      } else if (chunk === null) {
        this.#ended = true
        send({ name: 'SNAPSHOT_END', epoch, position: this.info.position, bytes: this.#sent, crc: this.#crc })
        onSent()
      } else {
        this.#sent += chunk.length
        this.#crc = crc32(chunk, this.#crc)
        send({ name: 'SNAPSHOT_CHUNK', epoch, bytes: chunk })
        this.#pump()
      }
    })
  }
}
