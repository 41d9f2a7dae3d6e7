// What one run of the load generator is told and what it reports, and the clock and the list of latencies that its clients
// share. Latencies are kept one by one, because percentiles of a histogram would hide what its buckets are too coarse for.

export interface LoadOrder {
  readonly protocol: 'amqp' | 'stomp' | 'mqtt'
  readonly port: number
  readonly address: string
  /** SASL PLAIN as this user, who is his own password; null: ANONYMOUS. */
  readonly user: string | null
  /** Connections that send; the window is shared out among them. */
  readonly senders: number
  /** Messages sent and not accepted yet, at most. */
  readonly window: number
  /** Messages per second, 0 for as many as the window lets through. */
  readonly rate: number
  readonly bodyBytes: number
  /** A consumer takes the messages at the same time; else after the run. */
  readonly consume: boolean
  readonly warmMs: number
  readonly runMs: number
}

export interface LoadReport {
  readonly seconds: number
  readonly accepted: number
  readonly received: number
  /** Accepted and never received, over the whole life of the generator. */
  readonly missing: number
  /** Of the generator itself, per message accepted. */
  readonly cpuMicros: number
  /** From sending to accepted, in ms. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** A client that sends, as the generator drives it. */
export interface Sender {
  /** Sent and not accepted yet. */
  readonly outstanding: number
  /** It may send, or receives. */
  attached(): Promise<void>
  /** Messages it may still send now. */
  room(): number
  send(count: number): void
  close(): void
}

const MOST = 1 << 23

export class Figures {
  accepted = 0
  received = 0
  /** Called after answers have come: there may be room to send. */
  onRoom: () => void = () => {}
  measuring = false
  #latencies = new Float64Array(MOST)
  #count = 0

  answered(latencyMs: number): void {
    this.accepted++
    if (this.measuring && this.#count < MOST) this.#latencies[this.#count++] = latencyMs
  }

  percentiles(...shares: number[]): number[] {
    const sorted = this.#latencies.subarray(0, this.#count).sort()
    return shares.map(share => sorted[Math.min(this.#count - 1, Math.floor(this.#count * share))] ?? 0)
  }
}
