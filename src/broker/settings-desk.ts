// Settings on the active server: how one is changed, and who is told. What they are is in settings.ts.

import { notServing } from './intake.ts'
import type { Ledger } from './ledger.ts'
import { SETTINGS_BYTES } from './limits.ts'
import { NOTHING, SETTING } from './records.ts'
import type { Refusal } from './refusal.ts'
import {
  costOf,
  encodeSetting,
  type Setting,
  SettingChange,
  type SettingAnswer,
  settingFault,
  Watchers,
} from './settings.ts'
import type { State } from './state.ts'

/** Keys and values that both servers share; watchers are told while this server serves, and when it begins to. */
export interface SettingsFace {
  get(key: string): string | null
  keys(prefix: string): readonly string[]
  watch(prefix: string, changed: (key: string) => void): void
  /** null removes the key. `done`: null once the change is safe, or why it was not taken; never after serving ended. */
  set(key: string, value: string | null, done: SettingAnswer): void
}

interface SettingsGround {
  readonly serving: boolean
  readonly state: State
  readonly ledger: Ledger
  readonly noRecord: Refusal
  append(kind: number, head: Uint8Array, body: Uint8Array): number
}

export class SettingsDesk implements SettingsFace {
  readonly #ground: SettingsGround
  readonly #watchers = new Watchers()

  constructor(ground: SettingsGround) {
    this.#ground = ground
  }

  get(key: string): string | null {
    return this.#ground.state.settings.get(key)
  }

  keys(prefix: string): readonly string[] {
    return this.#ground.state.settings.keys(prefix)
  }

  watch(prefix: string, changed: (key: string) => void): void {
    this.#watchers.add(prefix, changed)
  }

  /** This server begins to serve: all may be different from when it last did. */
  changed(): void {
    this.#watchers.tell('')
  }

  set(key: string, value: string | null, done: SettingAnswer): void {
    const ground = this.#ground
    const setting: Setting = { key, value: value ?? '' }
    const { settings } = ground.state
    const wrong = settingFault(setting)
    if (wrong !== null) return done({ refused: 'not-allowed', text: wrong })
    if (!ground.serving) return done(notServing)
    if (settings.bytes + costOf(setting) > SETTINGS_BYTES) {
      return done({ refused: 'limit', text: `settings take at most ${SETTINGS_BYTES} bytes together` })
    }
    const sequence = ground.append(SETTING, encodeSetting(setting), NOTHING)
    if (sequence === 0) return done(ground.noRecord)
    const put = (each: Setting): void => {
      settings.put(each)
      if (ground.serving) this.#watchers.tell(key)
    }
    ground.ledger.change(new SettingChange(sequence, setting, put, done))
  }
}
