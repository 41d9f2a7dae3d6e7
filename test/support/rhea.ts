// What tests ask of a stock client, rhea: to send and see everything accepted, to attach and see it answered, to take all that
// there is.

import { once } from 'node:events'
import type { Connection, EventContext, Message, Receiver, ReceiverOptions, Sender } from 'rhea'

export const bodies = (messages: readonly Message[]): unknown[] => messages.map(message => message.body as unknown)

/** Sends these and waits until all are accepted. */
export async function send(
  client: Connection,
  address: string | object,
  messages: readonly Message[],
): Promise<Sender> {
  const link = client.open_sender(address as string)
  let sent = 0
  let accepted = 0
  await new Promise<void>((done, fail) => {
    const pump = (): void => {
      while (link.sendable() && sent < messages.length) link.send(messages[sent++] as Message)
    }
    link.on('sendable', pump)
    link.on('sender_error', () => fail(new Error(JSON.stringify(link.error))))
    for (const outcome of ['rejected', 'released', 'modified']) link.on(outcome, () => fail(new Error(outcome)))
    link.on('accepted', () => {
      pump()
      if (++accepted === messages.length) done()
    })
  })
  return link
}

/** A receiver whose answer is there; without credit. */
export async function receiver(client: Connection, options: ReceiverOptions | object): Promise<Receiver> {
  const link = client.open_receiver({ credit_window: 0, autoaccept: false, ...options })
  await new Promise<void>((done, fail) => {
    link.once('receiver_open', () => {
      // A refused link is opened first, and closed at once.
      if ((link.source as { address?: string } | undefined)?.address) done()
    })
    link.once('receiver_error', () => {
      const { condition, description } = link.error as { condition: string; description: string }
      fail(new Error(`${condition}: ${description}`))
    })
  })
  return link
}

/** The same for one that settles second: what it accepts is answered when that is safe. */
export const certain = (client: Connection, options: ReceiverOptions | object): Promise<Receiver> =>
  receiver(client, { rcv_settle_mode: 1, ...options })

const settlesSecond = (link: Receiver): boolean =>
  (link as unknown as { local: { attach: { rcv_settle_mode?: number } } }).local.attach.rcv_settle_mode === 1

/** All that there is for so much credit, by a drain; accepted, and answered where the link settles second. */
export async function drained(link: Receiver, credit: number, accept = true): Promise<Message[]> {
  const seen: Message[] = []
  let unanswered = 0
  const take = (context: EventContext): void => {
    seen.push(context.message as Message)
    if (!accept) return
    context.delivery?.accept()
    if (settlesSecond(link)) unanswered++
  }
  const answered = (): number => unanswered--
  link.on('message', take).on('settled', answered)
  link.add_credit(credit)
  link.drain_credit()
  await once(link, 'receiver_drained')
  while (unanswered > 0) await once(link, 'settled')
  link.removeListener('message', take).removeListener('settled', answered)
  return seen
}

/** Ends a link and waits for the answer. `closes` false: the client means to come back to it. */
export async function leave(link: Receiver | Sender, closes = true): Promise<void> {
  const gone = once(link, link.is_receiver() ? 'receiver_close' : 'sender_close')
  if (closes) link.close()
  else link.detach()
  await gone
}
