// The rules as an XState machine, and the pure step over it: observation in, next snapshot and effects out. The machine
// knows no time: timers, `after`, `invoke` and `spawn` would hide it from the simulation. Time is a sensor like any other.

import { assign, initialTransition, setup, transition, type SnapshotFrom } from 'xstate'
import { effectsOf, type Effect } from './effects.ts'
import { AT_START, matches, type Observation } from './observation.ts'
import { rules, type Rule } from './rules.ts'
import { ROLES, type Role } from './roles.ts'

type Observe = { type: 'observe'; news: Partial<Observation> }
interface Memory {
  readonly observation: Observation
}

const stateName = (role: Role) => role.replace(' ', '_')
const roleNamed = new Map(ROLES.map(role => [stateName(role), role]))

/** Words a role forgets on entry, so that the end of one reign or synchronization cannot end the next. */
export const forgottenOn: { readonly [R in Role]: Partial<Observation> } = {
  WAITING: { reign: 'none', sync: 'none' },
  'PASSIVE SYNC': { reign: 'none', sync: 'none' },
  PASSIVE: { sync: 'none' },
  'ACTIVE SYNC': { sync: 'none' },
  ACTIVE: { sync: 'none' },
  STANDALONE: { sync: 'none' },
}

function transitionOf(rule: Rule) {
  return {
    target: stateName(rule.to),
    guard: ({ context }: { context: Memory }) => matches(rule.when, context.observation),
    actions: [
      assign(({ context }: { context: Memory }) => ({
        observation: { ...context.observation, ...forgottenOn[rule.to] },
      })),
      { type: 'step', params: { rule } },
    ],
  }
}

const typed = setup({
  types: {} as { context: Memory; events: Observe },
  // Never executed here: `step` takes the actions as data.
  actions: { step: (_at, _params: { rule: Rule }) => {} },
})

export const machine = typed.createMachine({
  context: { observation: AT_START },
  initial: stateName('WAITING'),
  on: {
    observe: {
      actions: assign(({ context, event }) => ({ observation: { ...context.observation, ...event.news } })),
    },
  },
  states: Object.fromEntries(
    ROLES.map(role => [stateName(role), { always: rules.filter(rule => rule.from === role).map(transitionOf) }]),
  ) as Record<string, object>,
  // An `always` circle would hang the broker; coming to rest takes at most a handful of steps.
  options: { maxIterations: 20 },
})

export type MachineState = SnapshotFrom<typeof machine>

const [atStart] = initialTransition(machine)
export const initialState = (): MachineState => atStart

export const roleOf = (state: MachineState): Role => roleNamed.get(state.value as string) as Role

export interface Step {
  readonly state: MachineState
  /** The rules that fired, in order. */
  readonly fired: readonly Rule[]
  /** What the world is asked for, in order. */
  readonly effects: readonly Effect[]
}

/** One step: the news replaces words of the observation, then rules fire until none fits. Pure. */
export function step(state: MachineState, news: Partial<Observation>): Step {
  const observation = { ...state.context.observation, ...news }
  const role = roleOf(state)
  // Most news changes no role. The machine then comes to the same, at many times the cost.
  if (!rules.some(({ from, when }) => from === role && matches(when, observation)))
    return { state: machine.resolveState({ value: state.value, context: { observation } }), fired: [], effects: [] }
  const [next, actions] = transition(machine, state, { type: 'observe', news })
  const fired = actions.flatMap(action => (action.type === 'step' ? [(action.params as { rule: Rule }).rule] : []))
  return {
    state: next,
    fired,
    effects: fired.flatMap(rule => effectsOf(rule.from, rule.to, rule.id, rule.because)),
  }
}

/** The words of `news` that differ from what the machine already observes; null where nothing does. */
export function difference(state: MachineState, news: Partial<Observation>): Partial<Observation> | null {
  const seen = state.context.observation
  let fresh: Record<string, string> | null = null
  for (const name in news) {
    const word = news[name as keyof Observation] as string
    if (seen[name as keyof Observation] !== word) (fresh ??= {})[name] = word
  }
  return fresh
}
