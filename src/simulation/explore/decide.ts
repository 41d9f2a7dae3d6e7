// What the rules say, once for every role and observation that is met: the rows read plainly, and held against the XState
// machine and its effects the first time. Counts how often each row was used.

import { assert } from '../../base/assert.ts'
import { dutiesOf, dutyRows, type Duties } from '../../states/duties.ts'
import { effectsOf, type Effect } from '../../states/effects.ts'
import { forgottenOn, machine, roleOf, step } from '../../states/machine.ts'
import { matches, WORDS, type Observation } from '../../states/observation.ts'
import { rules } from '../../states/rules.ts'
import { ROLES, type Role } from '../../states/roles.ts'

export interface Decision {
  readonly role: Role
  readonly observation: Observation
  readonly fired: readonly number[]
  readonly effects: readonly Effect[]
  readonly duties: Duties
  readonly asked: readonly number[]
}

const NAMES = Object.keys(WORDS) as (keyof Observation)[]
const ORDER = NAMES.map(name => new Map<string, number>(WORDS[name].map((word, i) => [word, i])))

function keyOf(role: Role, observation: Observation): number {
  let key = ROLES.indexOf(role)
  for (let i = 0; i < NAMES.length; i++) {
    const words = ORDER[i] as Map<string, number>
    key = key * words.size + (words.get(observation[NAMES[i] as keyof Observation]) as number)
  }
  return key
}

export class Rows {
  /** How many transitions used each row of the rules and of the duties. */
  readonly fired = rules.map(() => 0)
  readonly asked = dutyRows.map(() => 0)
  readonly #decisions = new Map<number, Decision>()

  /** Different (role, observation) met, each checked against the machine. */
  get met(): number {
    return this.#decisions.size
  }

  decide(role: Role, observation: Observation): Decision {
    const key = keyOf(role, observation)
    let decision = this.#decisions.get(key)
    if (!decision) {
      decision = settle(role, observation)
      check(role, observation, decision)
      this.#decisions.set(key, decision)
    }
    for (const i of decision.fired) (this.fired[i] as number)++
    for (const i of decision.asked) (this.asked[i] as number)++
    return decision
  }

  get unused(): { readonly rules: readonly string[]; readonly duties: readonly string[] } {
    return {
      rules: rules.filter((_, i) => this.fired[i] === 0).map(rule => rule.id),
      duties: dutyRows.filter((_, i) => this.asked[i] === 0).map(row => row.id),
    }
  }
}

function settle(from: Role, at: Observation): Decision {
  let role = from
  let observation = at
  const fired: number[] = []
  for (;;) {
    const i = rules.findIndex(r => r.from === role && matches(r.when, observation))
    if (i < 0) break
    const rule = rules[i] as (typeof rules)[number]
    fired.push(i)
    assert(fired.length <= 20, 'the rules come to rest')
    role = rule.to
    observation = { ...observation, ...forgottenOn[rule.to] }
  }
  const effects = fired.flatMap(i => {
    const rule = rules[i] as (typeof rules)[number]
    return effectsOf(rule.from, rule.to, rule.id, rule.because)
  })
  const duties = dutiesOf(role, observation)
  const asked = Object.values(duties).flatMap(row => (row ? [dutyRows.indexOf(row)] : []))
  return { role, observation, fired, effects, duties, asked }
}

function check(role: Role, observation: Observation, decision: Decision): void {
  const state = machine.resolveState({ value: role.replace(' ', '_'), context: { observation } })
  const stepped = step(state, observation)
  const same =
    roleOf(stepped.state) === decision.role &&
    JSON.stringify(stepped.effects) === JSON.stringify(decision.effects) &&
    stepped.fired.every((rule, i) => rules[decision.fired[i] as number] === rule) &&
    JSON.stringify(stepped.state.context.observation) === JSON.stringify(decision.observation)
  assert(same, `the machine does what the rows say for ${role} at ${JSON.stringify(observation)}`)
}
