// mqtt.js with the kit's settings: one client publishes numbers with QoS 2, another one has them in a session that lasts.
// Each number that was answered must have come exactly once, whatever happens to the servers.
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type MqttClient } from 'mqtt'
import { mqttPairOptions } from '../../src/kit/mqtt.ts'

const TOPIC = 'soak/numbers'
const EVERY_MS = 25
/** Published and not answered; more wait. */
const WINDOW = 100

export class ExactlyOnce {
  readonly #publisher: MqttClient
  readonly #subscriber: MqttClient
  readonly #came = new Map<number, number>()
  readonly #answered = new Set<number>()
  readonly #refused: string[] = []
  #next = 0
  #timer: NodeJS.Timeout | null = null

  constructor(ports: readonly number[]) {
    const servers = ports.map(port => ({ host: '127.0.0.1', port }))
    const options = (clientId: string) => mqttPairOptions({ servers, clientId })
    this.#publisher = connect(options('soak-publisher'))
    this.#subscriber = connect(options('soak-subscriber'))
    for (const client of [this.#publisher, this.#subscriber]) client.on('error', () => {})
    this.#subscriber.on('message', (_, payload) => {
      const number = Number(payload.toString())
      this.#came.set(number, (this.#came.get(number) ?? 0) + 1)
    })
  }

  async started(): Promise<void> {
    if (!this.#subscriber.connected)
      await new Promise<void>(resolve => this.#subscriber.once('connect', () => resolve()))
    await this.#subscriber.subscribeAsync(TOPIC, { qos: 2 })
    this.#timer = setInterval(() => this.#publish(), EVERY_MS)
  }

  /** No more is published; waits until all of it is answered and has come. */
  async ended(withinMs = 60_000): Promise<{ sent: number; wrong: string[] }> {
    if (this.#timer !== null) clearInterval(this.#timer)
    const limit = Date.now() + withinMs
    const isOpen = (): boolean =>
      this.#answered.size + this.#refused.length < this.#next || this.#came.size < this.#answered.size
    while (isOpen() && Date.now() < limit) await pause(50)
    const wrong: string[] = []
    for (const number of this.#answered) if (!this.#came.has(number)) wrong.push(`MQTT: ${number} never came`)
    for (const [number, times] of this.#came) if (times > 1) wrong.push(`MQTT: ${number} came ${times} times`)
    wrong.push(...this.#refused)
    const silent = this.#next - this.#answered.size - this.#refused.length
    if (silent > 0) wrong.push(`MQTT: ${silent} were never answered`)
    await Promise.all([this.#publisher.endAsync(true), this.#subscriber.endAsync(true)])
    return { sent: this.#answered.size, wrong: wrong.slice(0, 10) }
  }

  #publish(): void {
    if (this.#next - this.#answered.size - this.#refused.length >= WINDOW) return
    this.#send(this.#next++)
  }

  #send(number: number): void {
    this.#publisher.publishAsync(TOPIC, String(number), { qos: 2 }).then(
      () => this.#answered.add(number),
      (error: Error) => {
        // mqtt.js has not sent it, and says so: the connection broke while it was busy with what was sent before.
        if (error.message === 'Connection closed') this.#send(number)
        else this.#refused.push(`MQTT: ${number} was refused: ${String(error)}`)
      },
    )
  }
}
