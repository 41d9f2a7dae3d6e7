// The topic model's fold over records, in plain maps, and its own idea of which filter matches what. The pair that is judged
// by it is in topic-model.ts.

import type { RecordView } from '../../src/journal/commit.ts'
import type { BindingOptions } from '../../src/broker/binding.ts'
import * as kinds from '../../src/broker/records.ts'
import { decodeRetained } from '../../src/broker/retained.ts'
import { decodeId, decodeNumbers, decodeSession } from '../../src/broker/session-records.ts'
import { decodeSetting } from '../../src/broker/settings.ts'
import { decodeBound, decodeDropped, decodeRouted, decodeUnbound } from '../../src/broker/topic-records.ts'

interface Kept {
  readonly text: string
  readonly qos: number
}

interface ModelQueue {
  readonly line: Map<number, Kept>
  readonly bindings: Map<string, BindingOptions>
}

export class TopicFold {
  sequence = 0
  readonly queues = new Map<number, ModelQueue>()
  /** By client: its session's number, and its queue's. */
  readonly sessions = new Map<string, { id: number; queue: number }>()
  /** `expiresAt`: 0 for never. */
  readonly retained = new Map<string, { readonly text: string; readonly expiresAt: number }>()
  readonly settings = new Map<string, string>()

  static of(records: readonly RecordView[]): TopicFold {
    const fold = new TopicFold()
    for (const record of records) fold.apply(record)
    return fold
  }

  queue(id: number): ModelQueue {
    const queue = this.queues.get(id)
    if (queue === undefined) throw new Error(`there is no queue ${id}`)
    return queue
  }

  client(of: number): string {
    for (const [client, { id, queue }] of this.sessions) if (id === of || queue === of) return client
    throw new Error(`there is no session ${of}`)
  }

  apply(record: RecordView): void {
    this.sequence = record.sequence
    switch (record.kind) {
      case kinds.QUEUE:
        this.queues.set(record.sequence, { line: new Map(), bindings: new Map() })
        return
      case kinds.ROUTED: {
        const { queues, grades, envelope, body } = decodeRouted(record)
        queues.forEach((id, i) => {
          const qos = Math.min(envelope.qos, (grades[i] as number) & 3)
          this.queue(id).line.set(record.sequence, { text: textOf(body), qos })
        })
        return
      }
      case kinds.BOUND: {
        const { queue, filter, options } = decodeBound(record)
        this.queue(queue).bindings.set(filter, options)
        return
      }
      case kinds.UNBOUND: {
        const { queue, filter } = decodeUnbound(record)
        this.queue(queue).bindings.delete(filter)
        return
      }
      case kinds.RETAINED: {
        const { topic, body, envelope } = decodeRetained(record)
        if (body.length === 0) this.retained.delete(topic)
        else this.retained.set(topic, { text: textOf(body), expiresAt: envelope.expiresAt })
        return
      }
      case kinds.SESSION: {
        const { id, queue, clientId } = decodeSession(record)
        if (id === 0) this.sessions.set(clientId, { id: record.sequence, queue })
        return
      }
      case kinds.SESSION_ENDED: {
        const client = this.client(decodeId(record))
        this.queues.delete(this.sessions.get(client)?.queue ?? 0)
        this.sessions.delete(client)
        return
      }
      case kinds.RECEIVED: {
        const { id, values } = decodeNumbers(record)
        const { queue } = this.sessions.get(this.client(id)) as { queue: number }
        for (const sequence of values) this.queue(queue).line.delete(sequence)
        return
      }
      case kinds.SETTLED: {
        const { queue, bounds } = kinds.decodeRanges(record)
        const { line } = this.queue(queue)
        for (const sequence of line.keys())
          for (let i = 0; i < bounds.length; i += 2)
            if (sequence >= (bounds[i] as number) && sequence <= (bounds[i + 1] as number)) line.delete(sequence)
        return
      }
      case kinds.DROPPED:
        this.queues.delete(decodeDropped(record))
        return
      case kinds.SETTING: {
        const { key, value } = decodeSetting(record)
        if (value === '') this.settings.delete(key)
        else this.settings.set(key, value)
        return
      }
      default:
    }
  }
}

/** Bodies are MQTT's: topic, no properties, payload. */
export const bodyOf = (topic: string, payload: string): Buffer =>
  Buffer.concat([Buffer.from([0, topic.length]), Buffer.from(topic), Buffer.from([0]), Buffer.from(payload)])

export const textOf = (body: Uint8Array): string => Buffer.from(body.subarray(3 + (body[1] as number))).toString()

/** By the standard's words (4.7.1), as a pattern. */
export function matches(filter: string, topic: string): boolean {
  const pattern = filter
    .split('/')
    .map(level => (level === '+' ? '[^/]*' : level))
    .join('/')
    .replace(/\/#$/, '(/.*)?')
    .replace(/^#$/, '.*')
  return new RegExp(`^${pattern}$`).test(topic)
}

export const shareOf = (filter: string): { group: string; filter: string } => {
  const found = /^\$share\/([^/]+)\/(.*)$/.exec(filter)
  return found === null ? { group: '', filter } : { group: found[1] as string, filter: found[2] as string }
}
