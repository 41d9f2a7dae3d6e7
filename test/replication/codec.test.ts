// Every frame survives the wire, and nothing else does: whatever bytes come, decode gives a sound frame or the coded error.

import assert from 'node:assert/strict'
import fc from 'fast-check'

import { CodedError } from '../../src/base/errors.ts'
import { BrokenPromise } from '../../src/base/assert.ts'
import { FRAME_BYTES, decode, encode } from '../../src/replication/codec.ts'
import { frames } from '../../src/replication/frames.ts'
import type { Frame, FrameFields, FrameName } from '../../src/replication/frames.ts'
import { ROLES } from '../../src/states/roles.ts'

const SEED = 20_26

const epoch = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 1, 2 ** 32 - 1))
const u48 = fc.oneof(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.constantFrom(0, 2 ** 32, 2 ** 48 - 1))
const hex = (n: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${n}}$`))
const text = fc.string({ maxLength: 200, unit: fc.constantFrom('a', ' ', '"', '\\', 'é', '日', '😀', '/', '{', '0') })
const code = fc.constantFrom('CHANNEL-SECRET', 'A', 'X-1-Y')
const position = fc.record({ epoch, sequence: u48, digest: fc.integer({ min: 0, max: 2 ** 52 - 1 }) })
const epochs = fc.array(fc.record({ epoch, sequence: u48 }), { maxLength: 20 })
const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 })
const role = fc.constantFrom(...ROLES)
const roleState = {
  role,
  previous: role,
  epoch,
  lock: fc.boolean(),
  recordSeq: u48,
  share: fc.boolean(),
  whole: fc.boolean(),
  position,
}

// prettier-ignore
const fields: { [Name in FrameName]: { [Field in keyof FrameFields[Name]]: fc.Arbitrary<FrameFields[Name][Field]> } } = {
  HELLO: { version: fc.constant(1), label: fc.constantFrom('primary', 'secondary'), instance: hex(16), nonce: hex(64) },
  PROOF: { proof: hex(64) },
  REFUSE: { code, text },
  GREETING: {
    pairId: hex(16), storeId: hex(16), kind: fc.constantFrom('FES', 'FPS'), leaseMs: epoch, pingMs: epoch, lockFile: text, epochs,
    start: position, state: fc.record(roleState),
  },
  ROLE: roleState,
  PING: { number: u48, committed: u48 },
  PONG: { number: u48, following: epoch },
  SYNC_BEGIN: { epoch, recordSeq: u48, pairId: hex(16), how: fc.constantFrom('tail', 'snapshot'), common: position, epochs, bytes: u48 },
  SYNC_READY: { epoch, from: position },
  SYNC_REFUSED: { epoch, code, text },
  SNAPSHOT_CHUNK: { epoch, bytes },
  SNAPSHOT_END: { epoch, position, bytes: u48, crc: epoch },
  SNAPSHOT_MORE: { epoch, received: u48 },
  RECORDS: { epoch, first: u48, committed: u48, bytes },
  CONFIRM: { epoch, position },
  JOIN_PREPARE: { epoch, position },
  JOIN_PREPARED: { epoch, position },
  JOINED: { epoch, recordSeq: u48 },
  HANDOVER: { epoch, recordSeq: u48, position, token: text },
  TAKEN: { epoch, position },
  COVER_ASK: { number: fc.nat(), epoch, recordSeq: u48 },
  COVER_ANSWER: { number: fc.nat(), able: fc.constantFrom('yes', 'later', 'no'), reason: text },
  BYE: { epoch, token: text, reason: text },
}

const NAMES = Object.keys(frames) as FrameName[]
const anyOf = (name: FrameName): fc.Arbitrary<Frame> =>
  fc.record({ name: fc.constant(name), ...(fields[name] as object) }) as unknown as fc.Arbitrary<Frame>
const anyFrame = fc.constantFrom(...NAMES).chain(anyOf)

const message = (frame: Frame): Buffer => Buffer.concat(encode(frame))
/** As a plain object (fast-check makes objects without a prototype), bytes as an Uint8Array. */
const plain = (frame: Frame): unknown => structuredClone(frame)

/** The frame, or null where it was refused as it should be; anything else thrown fails the test. */
function attempt(bytes: Uint8Array): Frame | null {
  try {
    return decode(bytes)
  } catch (error) {
    assert.ok(error instanceof CodedError, `not a coded error: ${String(error)}`)
    assert.ok(error.code === 'CHANNEL-FRAME' || error.code === 'CHANNEL-VERSION', error.code)
    return null
  }
}

const json = (name: FrameName, value: unknown): Buffer =>
  Buffer.concat([Buffer.of(frames[name].number), Buffer.from(JSON.stringify(value))])
const refused = (bytes: Uint8Array, detail: RegExp): void => {
  assert.throws(
    () => decode(bytes),
    (error: CodedError) => error.code === 'CHANNEL-FRAME' && detail.test(error.message),
  )
}

describe('frames on the wire', () => {
  for (const name of NAMES)
    it(`${name} comes back as it was sent, and no part of it is a frame`, () => {
      fc.assert(
        fc.property(anyOf(name), frame => {
          const sent = message(frame)
          assert.deepEqual(plain(decode(sent)), plain(frame))
          // RECORDS and SNAPSHOT_CHUNK end where the message ends: a part is a shorter one. WebSocket keeps messages whole.
          const open = name === 'RECORDS' || name === 'SNAPSHOT_CHUNK'
          const limit = open ? sent.length - (frame as FrameFields['RECORDS']).bytes.length : sent.length - 1
          for (let n = 0; n <= limit; n++) assert.equal(attempt(sent.subarray(0, n)), null)
        }),
        { seed: SEED, numRuns: 40 },
      )
    })

  it('gives nothing but frames and the coded error for garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        attempt(bytes)
      }),
      { seed: SEED, numRuns: 3000 },
    )
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), fc.json(), (name, text) => {
        attempt(Buffer.concat([Buffer.of(frames[name].number), Buffer.from(text)]))
      }),
      { seed: SEED, numRuns: 1000 },
    )
  })

  it('gives only frames that can be sent again for frames with changed bytes', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(anyFrame, flips, (frame, changes) => {
        const sent = message(frame)
        for (const [at, value] of changes) sent[at % sent.length] = value
        const got = attempt(sent)
        if (got) assert.deepEqual(plain(decode(message(got))), plain(got))
      }),
      { seed: SEED, numRuns: 3000 },
    )
  })

  it('refuses every field that is missing, doubled in another name, or of another type', () => {
    const wrong = [null, -1, 1.5, 2 ** 53, '', 'x\n', [], {}, true, '1', [null], { a: 1 }]
    fc.assert(
      fc.property(
        anyFrame.filter(({ name }) => frames[name].form === 'json'),
        fc.nat(),
        fc.constantFrom(...wrong),
        (frame, pick, value) => {
          const { name, ...given } = plain(frame) as { name: FrameName } & Record<string, unknown>
          const keys = Object.keys(given)
          const key = keys[pick % keys.length] as string
          const { [key]: _, ...rest } = given
          refused(json(name, rest), new RegExp(`with a field ${key}`))
          refused(json(name, { ...given, extra: 1 }), /without a field "extra"/)
          refused(json(name, [given]), /must be an object/)
          const got = attempt(json(name, { ...given, [key]: value }))
          if (got) assert.equal(typeof value, typeof given[key])
        },
      ),
      { seed: SEED, numRuns: 500 },
    )
  })

  it('refuses unknown numbers, empty and oversized messages, broken UTF-8', () => {
    refused(new Uint8Array(), /empty message/)
    for (let number = 0; number < 256; number++)
      if (!NAMES.some(name => frames[name].number === number))
        refused(Buffer.of(number, 1, 2), /no frame has the number/)
    const large = Buffer.alloc(FRAME_BYTES + 65)
    large[0] = frames.RECORDS.number
    refused(large, /RECORDS of \d+ bytes/)
    refused(Buffer.concat([Buffer.of(3), Buffer.from('{"code":"A","text":"\xff"}', 'latin1')]), /no JSON/)
    refused(Buffer.concat([Buffer.of(5), Buffer.from('['.repeat(100_000))]), /no JSON/)
    refused(json('REFUSE', JSON.parse('{"code":"A","text":"b","__proto__":1}')), /__proto__/)
    const tooMany = Array.from({ length: 100_001 }, () => ({ epoch: 1, sequence: 1 }))
    const begin = {
      epoch: 1,
      recordSeq: 1,
      pairId: '',
      how: 'tail',
      common: { epoch: 0, sequence: 0, digest: 0 },
      bytes: 0,
    }
    refused(json('SYNC_BEGIN', { ...begin, epochs: tooMany }), /at most 100000/)
  })

  it('says that the version is another one, whatever else a HELLO of that version carries', () => {
    for (const hello of [{ version: 2, shape: 'new' }, { version: 0 }])
      assert.throws(() => decode(json('HELLO', hello)), { code: 'CHANNEL-VERSION' })
    refused(json('HELLO', { version: '2' }), /HELLO/)
  })

  it('lets no text upset the console, and asserts what else leaves', () => {
    const text = 'a\n\u001b[2Jb\u202ec\ud800d'
    assert.deepEqual(decode(message({ name: 'REFUSE', code: 'A', text })), {
      name: 'REFUSE',
      code: 'A',
      text: 'a??[2Jb?c?d',
    })
    const long = decode(
      message({ name: 'BYE', epoch: 1, token: '', reason: `${'x'.repeat(999)}😀` }),
    ) as FrameFields['BYE']
    assert.equal(long.reason, `${'x'.repeat(999)}?`)
    for (const unclean of [text, '\u009b'])
      refused(json('REFUSE', { code: 'A', text: unclean }), /without control characters/)
    assert.throws(() => encode({ name: 'JOINED', epoch: -1, recordSeq: 1 }), BrokenPromise)
    assert.throws(
      () => encode({ name: 'RECORDS', epoch: 1, first: 1, committed: 1, bytes: new Uint8Array() }),
      BrokenPromise,
    )
  })

  it('copies the bytes of RECORDS and SNAPSHOT_CHUNK neither out nor in', () => {
    const bytes = Buffer.from('some records')
    for (const frame of [
      { name: 'RECORDS', epoch: 1, first: 2, committed: 1, bytes },
      { name: 'SNAPSHOT_CHUNK', epoch: 1, bytes },
    ] as Frame[]) {
      assert.equal(encode(frame)[1], bytes)
      const sent = message(frame)
      const got = decode(sent) as FrameFields['RECORDS']
      assert.equal(got.bytes.buffer, sent.buffer)
      assert.deepEqual(got.bytes, bytes)
    }
  })
})
