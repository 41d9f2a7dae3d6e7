// The broker's continuous self-test, put on its real parts: what it hears from its keeper, how it is answered by its peer,
// its disk, its own punctuality. What is too much is said in doctor/vitals.ts.

import type { Clock, Log } from '../base/ports.ts'
import { SelfTest, type VitalReport } from '../doctor/self-test.ts'
import type { FromKeeper, KeeperLink, KeeperNews } from '../ha/keeper-link.ts'
import { parseToken } from '../ha/token.ts'
import type { Intervals } from '../profiles/intervals.ts'
import type { KeeperPipe } from './keeper-pipe.ts'

/** What the register should show, by all that this server has heard, and what it shows. */
export interface Records {
  readonly heard: number
  readonly seen: number
}

export class BrokerVitals {
  readonly #selfTest: SelfTest
  readonly #clock: Clock
  #keeper: readonly VitalReport[] = []
  #hold = ''
  #token = ''
  #tokenAt = 0
  #behindSince = -1

  constructor(clock: Clock, log: Log, intervals: Intervals) {
    this.#clock = clock
    this.#selfTest = new SelfTest('broker', clock, log, intervals)
  }

  /** The same link, with what concerns the self-test noted on its way. */
  listen(keeper: KeeperPipe): KeeperLink {
    keeper.onVitals = message => void (this.#keeper = message.vitals)
    const note = (message: FromKeeper): void => {
      if (message.type === 'news') this.#news(message)
    }
    let receive: KeeperLink['onMessage'] = () => {}
    return {
      send: message => keeper.send(message),
      kill: () => keeper.kill(),
      get onMessage() {
        return receive
      },
      set onMessage(listener) {
        receive = listener
        keeper.onMessage = message => {
          note(message)
          listener(message)
        }
      },
      get onGone() {
        return keeper.onGone
      },
      set onGone(listener) {
        keeper.onGone = listener
      },
    }
  }

  start(records: () => Records): void {
    this.#selfTest.watch('stall', () => this.#records(records()))
  }

  flushed = (ms: number): void => this.#selfTest.measured('flush', ms)

  answered(sentAt: number): void {
    this.#selfTest.measured('ping', this.#clock.now() - sentAt)
  }

  report(): VitalReport[] {
    return [...this.#keeper, ...this.#selfTest.report()]
  }

  /** From one renewal of the other server to the next, as they were seen here. */
  #news({ foreignToken, foreignSince }: KeeperNews): void {
    if (foreignToken === this.#token) return
    const hold = parseToken(foreignToken)?.hold ?? ''
    if (hold !== '' && hold === this.#hold) this.#selfTest.measured('token', foreignSince - this.#tokenAt)
    this.#token = foreignToken
    this.#hold = hold
    this.#tokenAt = foreignSince
  }

  /** How long a record that the peer spoke of is not to be seen; to within a tick. */
  #records({ heard, seen }: Records): void {
    const now = this.#clock.now()
    if (this.#behindSince >= 0) this.#selfTest.measured('record', now - this.#behindSince)
    if (heard <= seen) this.#behindSince = -1
    else if (this.#behindSince < 0) this.#behindSince = now
  }
}
