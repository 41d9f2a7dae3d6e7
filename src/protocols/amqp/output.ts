// The output of an AMQP connection: the shared pages, and the one thing that all its frames have in common.

import { Output } from '../output.ts'

export class FrameOutput extends Output {
  /** A frame whose body is encoded already. */
  frame(type: number, channel: number, body: Uint8Array): void {
    const size = 8 + body.length
    this.reserve(size)
    const { page, at } = this
    page.writeUInt32BE(size, at)
    page[at + 4] = 2
    page[at + 5] = type
    page.writeUInt16BE(channel, at + 6)
    page.set(body, at + 8)
    this.at = at + size
  }
}
