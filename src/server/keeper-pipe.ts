// The broker's end of the pipe to its keeper, and its sign of life there. Not more than messages: what they mean is the
// conductor's business.

import type { Clock } from '../base/ports.ts'
import type { KeeperVitals } from '../doctor/self-test.ts'
import type { FromKeeper, KeeperLink, ToKeeper } from '../ha/keeper-link.ts'

/** Signs of life are skipped while so many messages have not left: a frozen keeper's pipe must not fill our memory. */
const MOST_UNSENT = 16

/** The exit code of a broker that has said, by a code, why it cannot start: nothing of it has crashed. */
export const START_REFUSED = 5

/** What the keeper's self-test has found goes beside the link: no rule asks for it. */
export interface KeeperPipe extends KeeperLink {
  onVitals: (message: KeeperVitals) => void
}

/**
 * Call once, at the start of a process that a keeper forked. Signals that a terminal or an init system sends to all
 * processes are the keeper's to judge: here they are ignored.
 */
export function keeperPipe(clock: Clock, aliveMs: number): KeeperPipe {
  let unsent = 0
  let gone = false
  let begun = false
  const send = (message: ToKeeper): void => {
    if (gone || process.send === undefined || !process.connected) return
    unsent += 1
    process.send(message, undefined, undefined, () => {
      unsent -= 1
    })
  }
  const early: FromKeeper[] = []
  let receive = (message: FromKeeper): void => void early.push(message)
  let ended = (): void => {}
  const keeperPid = process.ppid
  const link: KeeperPipe = {
    send,
    // Only while it is the parent: after its end the number may be another's.
    kill: () => {
      if (!gone && process.ppid === keeperPid) process.kill(keeperPid, 'SIGKILL')
    },
    onVitals: () => {},
    get onMessage() {
      return receive
    },
    // What came while the server was still being put together is not lost: the keeper tells changes only. The first sign of
    // life comes now and not before: reading a large journal back holds the process up, and takes the time that it takes.
    set onMessage(listener) {
      receive = listener
      for (const message of early.splice(0)) listener(message)
      if (begun) return
      begun = true
      live()
    },
    get onGone() {
      return ended
    },
    // Nor is a keeper that died meanwhile: without one this server must not go on.
    set onGone(listener) {
      ended = listener
      if (gone) clock.soon(listener)
    },
  }
  process.on('message', (message: FromKeeper | KeeperVitals) => {
    if (message.type === 'vitals') link.onVitals(message)
    else receive(message)
  })
  process.once('disconnect', () => {
    gone = true
    ended()
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const live = (): void => {
    if (gone) return
    if (unsent < MOST_UNSENT) send({ type: 'alive' })
    clock.after(aliveMs, live)
  }
  return link
}
