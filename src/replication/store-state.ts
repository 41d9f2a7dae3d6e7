// What a server knows of itself whatever happens to the share: one small file in the data directory, replaced durably at
// each change. Says which pair and label the directory belongs to, how new a LockFile record it has seen (`mk`), and
// whether its copy is half replaced (`dirty`). It knows nothing of the journal's contents.
//
// File: one line of JSON, a line feed, the CRC-32 of that line as 8 hexadecimal digits, a line feed.

import { crc32 } from 'node:zlib'

import type { Chance } from '../base/ports.ts'
import type { Disk } from '../journal/disk.ts'
import { replicationError } from './errors.ts'
import type { ServerLabel } from './frames.ts'

export const STORE_FILE = 'store.json'

interface Stored {
  readonly format: 1
  readonly storeId: string
  readonly label: ServerLabel
  readonly pairId: string
  readonly mk: number
  readonly dirty: boolean
}

export class StoreState {
  readonly #disk: Disk
  #stored: Stored

  /** Reads the file, or makes a new store where there is none. Throws a coded refusal on a damaged or foreign one. */
  constructor(disk: Disk, chance: Chance, label: ServerLabel) {
    this.#disk = disk
    const bytes = disk.read(STORE_FILE)
    if (bytes === null) {
      this.#stored = { format: 1, storeId: chance.id(), label, pairId: '', mk: 0, dirty: false }
      this.#write(this.#stored)
    } else {
      this.#stored = parse(bytes)
      if (this.#stored.label !== label) {
        throw replicationError('STORE-LABEL', { theirs: this.#stored.label, ours: label })
      }
    }
  }

  /** Identity of this data directory: a new disk under an old name is another store. */
  get storeId(): string {
    return this.#stored.storeId
  }

  /** Empty until the pair is founded. */
  get pairId(): string {
    return this.#stored.pairId
  }

  /** The highest LockFile record that this server has ever known; it follows nobody who knows less. */
  get mk(): number {
    return this.#stored.mk
  }

  /** A resynchronization that replaces this copy is under way or broke off: it may not serve. */
  get dirty(): boolean {
    return this.#stored.dirty
  }

  /** A LockFile record was seen, or told by a leader. Durable on return; writes only where it is newer. */
  knew(recordSeq: number): void {
    if (recordSeq > this.#stored.mk) this.#write({ ...this.#stored, mk: recordSeq })
  }

  /** Durable on return. Set before the first destructive step, cleared when the copy is whole. */
  setDirty(dirty: boolean): void {
    if (dirty !== this.#stored.dirty) this.#write({ ...this.#stored, dirty })
  }

  /** Binds this store to a pair, once and for ever. Throws REPLICATION-STORE-PAIR for another one. */
  belongTo(pairId: string): void {
    if (this.#stored.pairId === pairId) return
    if (this.#stored.pairId !== '') {
      throw replicationError('STORE-PAIR', { theirs: this.#stored.pairId, ours: pairId })
    }
    this.#write({ ...this.#stored, pairId })
  }

  #write(stored: Stored): void {
    const line = JSON.stringify(stored)
    try {
      this.#disk.replace(STORE_FILE, Buffer.from(`${line}\n${checksum(line)}\n`))
    } catch (error) {
      throw replicationError('STORE-WRITE', { file: STORE_FILE, detail: String((error as Error).message) }, error)
    }
    this.#stored = stored
  }
}

const checksum = (line: string): string => crc32(line).toString(16).padStart(8, '0')

function parse(bytes: Uint8Array): Stored {
  const damaged = (detail: string) => replicationError('STORE-DAMAGED', { file: STORE_FILE, detail })
  if (bytes.length > 4096) throw damaged('too long')
  const [line = '', sum, rest, more] = Buffer.from(bytes).toString('utf8').split('\n')
  if (sum !== checksum(line) || rest !== '' || more !== undefined) throw damaged('checksum')
  const stored = JSON.parse(line) as Partial<Stored>
  const sound =
    stored.format === 1 &&
    typeof stored.storeId === 'string' &&
    stored.storeId !== '' &&
    (stored.label === 'primary' || stored.label === 'secondary') &&
    typeof stored.pairId === 'string' &&
    Number.isSafeInteger(stored.mk) &&
    (stored.mk as number) >= 0 &&
    typeof stored.dirty === 'boolean'
  if (!sound) throw damaged('fields')
  return stored as Stored
}
