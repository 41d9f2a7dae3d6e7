// What a link of a stock client takes as it comes: each message is accepted, and counts when the server has answered that.

import { once } from 'node:events'
import type { EventContext, Message, Receiver } from 'rhea'

export class Inbox {
  readonly got: Message[] = []
  readonly #link: Receiver
  answered = 0

  /** The link settles second (support/rhea.ts: `certain`). */
  constructor(link: Receiver) {
    this.#link = link
    link.on('message', ({ message, delivery }: EventContext) => {
      this.got.push(message as Message)
      delivery?.accept()
    })
    link.on('settled', () => this.answered++)
  }

  /** Ends when one more is answered. */
  async more(): Promise<void> {
    await once(this.#link, 'settled')
  }
}

/** The next message of a link that had no credit; not settled yet. */
export async function nextOf(link: Receiver): Promise<EventContext> {
  ;(link as unknown as { drain: boolean }).drain = false
  const came = once(link, 'message') as Promise<[EventContext]>
  link.add_credit(1)
  const [context] = await came
  return context
}

/** What the server adds to a dead letter, without its time. */
export function deathOf(message: Message | undefined): Record<string, unknown> {
  const annotations = (message?.message_annotations ?? {}) as Record<string, unknown>
  const words = ['reason', 'address', 'count'].map(word => [word, annotations[`x-opt-death-${word}`]])
  return Object.fromEntries(words) as Record<string, unknown>
}

/** Messages that last, with these bodies and more. */
export const named = (names: readonly string[], more: (name: string) => object = () => ({})): Message[] =>
  names.map(body => ({ body, durable: true, ...more(body) }))
