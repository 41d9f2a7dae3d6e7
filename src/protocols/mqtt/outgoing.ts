// What waits for and what is on its way to one client without a lasting session: the window of publishes that it has not
// answered, and a bounded line behind it. Messages of QoS 0 never wait here: where the client does not read, they are
// dropped, and counted.

import { Fifo } from '../../broker/fifo.ts'
import { fault } from './errors.ts'
import type { Host } from './host.ts'
import { packets } from './packets.ts'
import { reasons } from './reasons.ts'
import { Standing, Window } from './window.ts'

/** What a message needs besides its body to be sent to this client. */
export interface Manner {
  readonly qos: number
  readonly retain: boolean
  readonly ids: readonly number[]
  /** Wall ms, or 0. */
  readonly expiresAt: number
  /** Called once the client has answered, or not called at all where the connection ends before. */
  readonly done: ((answered: boolean) => void) | null
}

interface Pending {
  readonly body: Buffer
  readonly manner: Manner
}

export class Outgoing {
  readonly #host: Host
  readonly #window: Window
  readonly #line = new Fifo<Pending>()
  #lineBytes = 0
  /** By packet identifier: who wants to know of the answer. */
  readonly #waiting = new Map<number, (answered: boolean) => void>()

  constructor(host: Host, receiveMaximum: number) {
    this.#host = host
    this.#window = new Window(Math.min(receiveMaximum, host.limits.inflight))
  }

  get inflight(): number {
    return this.#window.count
  }

  get pending(): number {
    return this.#line.length
  }

  /** Room for messages that others keep until they are answered. */
  get room(): number {
    return this.#line.length > 0 ? 0 : this.#window.room
  }

  /** QoS 1 or 2, from memory that is not ours to keep. */
  send(body: Uint8Array, manner: Manner): void {
    if (this.#line.length === 0 && !this.#window.full) {
      this.#write(body, manner)
      return
    }
    const { limits } = this.#host
    if (this.#line.length >= limits.pendingMessages || this.#lineBytes + body.length > limits.pendingBytes) {
      this.#host.dropped('slow')
      return
    }
    this.#line.push({ body: Buffer.from(body), manner })
    this.#lineBytes += body.length
  }

  #write(body: Uint8Array, manner: Manner): void {
    const host = this.#host
    const seconds = manner.expiresAt === 0 ? -1 : Math.ceil((manner.expiresAt - host.wall()) / 1000)
    if (manner.expiresAt !== 0 && seconds <= 0) return manner.done?.(true) // [MQTT-3.3.2-5]
    const id = this.#window.take(manner.qos)
    const extras = manner.ids.length > 0 || seconds >= 0 ? { ids: manner.ids, expirySeconds: seconds } : null
    if (host.sender.publish(body, manner.qos, manner.retain, false, id, extras)) {
      if (manner.done !== null) this.#waiting.set(id, manner.done)
      return
    }
    this.#window.free(id)
    host.dropped('too-large')
    manner.done?.(true)
  }

  /** PUBACK of the client. */
  acknowledged(id: number): void {
    const standing = this.#window.standing(id)
    if (standing === Standing.PUBACK) this.#free(id)
    else this.#unknown(id, standing, 'PUBACK')
  }

  /** PUBREC of the client. */
  received(id: number, reason: number): void {
    const standing = this.#window.standing(id)
    if (standing === Standing.PUBREC) {
      // [MQTT-4.3.3-4, -13]: with an error it is over.
      if (reason >= 0x80) return this.#free(id)
      this.#window.received(id)
      this.#host.answer(packets.PUBREL, id, reasons.SUCCESS)
    } else if (standing === Standing.PUBCOMP) this.#host.answer(packets.PUBREL, id, reasons.SUCCESS)
    else if (standing === Standing.PUBACK) this.#unknown(id, standing, 'PUBREC')
    else this.#host.answer(packets.PUBREL, id, reasons.PACKET_ID_NOT_FOUND)
  }

  /** PUBCOMP of the client. */
  completed(id: number): void {
    const standing = this.#window.standing(id)
    if (standing === Standing.PUBCOMP) this.#free(id)
    else this.#unknown(id, standing, 'PUBCOMP')
  }

  /** An answer to nothing is passed over, as it may be late; one of the wrong kind is an error. */
  #unknown(id: number, standing: number, what: string): void {
    if (standing !== Standing.FREE)
      throw fault('PROTOCOL', { why: `${what} answers the packet ${id}, which awaits another` })
  }

  #free(id: number): void {
    this.#window.free(id)
    const done = this.#waiting.get(id)
    if (done !== undefined) {
      this.#waiting.delete(id)
      done(true)
    }
    while (this.#line.length > 0 && !this.#window.full) {
      const next = this.#line.shift() as Pending
      this.#lineBytes -= next.body.length
      this.#write(next.body, next.manner)
    }
  }
}
