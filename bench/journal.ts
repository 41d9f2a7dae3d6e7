// How fast the journal appends, next to what the disk and the processor cost alone:
//   npx tsx bench/journal.ts [folder] [record bytes] [seconds]
// Prints the bare cost of write and fdatasync, of the append path without a disk, of the journal with as many records as
// it takes, and with a window of records under way. Rough figures, for a comparison on one machine.

import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { BatchBuilder } from '../src/journal/batch-builder.ts'
import { openJournal } from '../src/journal/journal.ts'
import { ORIGIN } from '../src/journal/position.ts'
import { openDisk } from '../src/server/disk.ts'
import { realClock } from '../src/server/clock.ts'

const folder = fs.mkdtempSync(join(process.argv[2] ?? tmpdir(), 'lockstep-bench-'))
const recordBytes = Number(process.argv[3] ?? 1024)
const seconds = Number(process.argv[4] ?? 4)
const head = Buffer.from('queue/orders\0')
const body = Buffer.alloc(recordBytes - head.length, 7)
const KIND = 20

const say = (name: string, text: string): void => console.log(`${name.padEnd(44)} ${text}`)
const perSecond = (count: number, ms: number): string => `${Math.round((count / ms) * 1000).toLocaleString('en')}/s`
const cpuMs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1000
}

async function bareFlush(bytes: number): Promise<void> {
  const disk = openDisk(folder)
  const file = disk.createSync('bare', 64 << 20)
  const block = Buffer.alloc(bytes, 1)
  const times: number[] = []
  const end = performance.now() + 1500
  for (let at = 0; performance.now() < end; at = (at + bytes) % (48 << 20)) {
    const begun = performance.now()
    await new Promise<void>((done, fail) => {
      file.write(block, at, error => (error ? fail(error) : file.flush(fault => (fault ? fail(fault) : done()))))
    })
    times.push(performance.now() - begun)
  }
  file.close()
  disk.remove('bare')
  times.sort((a, b) => a - b)
  const at = (share: number): string => (times[Math.floor(times.length * share)] as number).toFixed(2)
  say(`bare write + fdatasync of ${bytes >> 10} KiB`, `median ${at(0.5)} ms, 99 % ${at(0.99)} ms`)
}

function appendPath(): void {
  const builder = new BatchBuilder(ORIGIN, 8 << 20)
  const count = 400_000
  for (let round = 0; round < 2; round += 1) {
    const cpu = process.cpuUsage()
    for (let n = 0; n < count; n += 1) {
      builder.append(KIND, 1, head, body)
      if (n % 512 === 0) while (builder.take() !== null);
    }
    const ms = cpuMs(cpu)
    if (round === 1) say('append path alone (encode, crc, digest)', `${perSecond(count, ms)} of processor time`)
  }
  const record = Buffer.alloc(recordBytes + 16)
  const cpu = process.cpuUsage()
  let sum = 0
  for (let n = 0; n < count; n += 1) sum ^= crc32(record)
  say('  of that, the crc alone', `${perSecond(count, cpuMs(cpu))} of processor time${sum === 1 ? '' : ''}`)
}

/** Keeps `window` records under way, as clients would who wait for their acknowledgement. */
async function journal(window: number): Promise<void> {
  const disk = openDisk(join(folder, `w${window}`))
  const limits = { segmentBytes: 64 << 20, recordBytes: 1 << 20, tailBytes: 16 << 20, snapshotEveryBytes: 256 << 20 }
  const log = openJournal(disk, realClock, limits)
  log.beginEpoch(1)
  let running = true
  let batches = 0
  let snapshots = 0
  const fill = (): void => {
    while (running && log.last.sequence - log.flushed.sequence < window) {
      for (let n = 0; n < 64; n += 1) log.append(KIND, head, body)
    }
  }
  log.onBatch = () => void (batches += 1)
  await new Promise<void>(warm => {
    log.onFlushed = position => {
      // Old segments go, as behind a broker that keeps up, and come back as spares.
      if (log.wantsSnapshot(0)) log.writeSnapshot(position, [body], () => void (snapshots += 1))
      if (log.flushed.sequence > 100_000 || log.flushed.sequence > window * 4) warm()
      fill()
    }
    fill()
  })
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const first = log.flushed.sequence
  const firstBatch = batches
  await new Promise<void>(done => void setTimeout(done, seconds * 1000))
  const ms = performance.now() - begun
  const count = log.flushed.sequence - first
  const used = cpuMs(cpu)
  running = false
  await new Promise<void>(done => log.close(done))
  const size = Math.round(count / Math.max(1, batches - firstBatch))
  say(
    `journal, ${window.toLocaleString('en')} records under way`,
    `${perSecond(count, ms)}, ${Math.round((count * recordBytes) / ms / 1000)} MB/s, ${size} records a batch, ` +
      `${((used * 1000) / count).toFixed(1)} us of processor time a record, ${snapshots} snapshots`,
  )
}

try {
  await bareFlush(4 << 10)
  await bareFlush(512 << 10)
  appendPath()
  for (const window of [64, 512, 1024, 8192]) await journal(window)
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
