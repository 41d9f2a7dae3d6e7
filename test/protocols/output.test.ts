// The pages of a client's output: when their memory may be used again.

import assert from 'node:assert/strict'
import { Output, type OutputSocket } from '../../src/protocols/output.ts'

class Socket implements OutputSocket {
  idle = false
  readonly written: Uint8Array[] = []

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes)
    return true
  }

  end(): void {}
  destroy(): void {}
}

describe('output', () => {
  let socket: Socket
  let willing: boolean
  let output: Output

  beforeEach(() => {
    socket = new Socket()
    willing = true
    output = new Output(
      socket,
      () => willing,
      () => {},
    )
  })

  const turn = (bytes: number, value: number): void => {
    output.raw(Buffer.alloc(bytes, value))
    output.flush()
  }
  const memory = (): ArrayBufferLike[] => socket.written.map(({ buffer }) => buffer)
  const text = (): number[] => socket.written.map(bytes => bytes[0] as number)

  it('leaves alone what the socket still looks at', () => {
    for (let value = 1; value <= 10; value++) turn(100, value)
    assert.deepEqual(text(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it('uses a page again when the socket is done with all of it', () => {
    socket.idle = true
    turn(1000, 1)
    turn(1500, 2)
    assert.equal(memory()[0], memory()[1])
    assert.deepEqual(text(), [2, 2])
    socket.idle = false
    turn(100, 3)
    turn(100, 4)
    assert.deepEqual(text().slice(2), [3, 4])
  })

  it('leaves alone what is held back', () => {
    socket.idle = true
    willing = false
    turn(100, 1)
    turn(100, 2)
    willing = true
    output.flush()
    assert.deepEqual(text(), [1, 2])
  })

  it('lets go of a large page that is hardly used any more', () => {
    socket.idle = true
    for (let n = 0; n < 100; n++) turn(100_000, 1)
    const large = output.page.length
    for (let n = 0; n < 1000; n++) turn(10, 1)
    assert.ok(large >= 100_000 && output.page.length <= 2048, `${large}, then ${output.page.length}`)
  })
})
