// Mutants of what operators force, of what they do to the broker's content, and of what clients that come back, or ask late,
// are promised.

import { unit, type Mutant } from './mutant.ts'

const OPERATIONS = 'broker/operations'
const SOLE = 'protocols/amqp/sole'

export const operations: readonly Mutant[] = [
  {
    id: 'purge-through',
    promise: 'P2',
    breaks: 'a queue that is emptied loses what came after the operator had asked',
    edits: [['broker/purges.ts', 'message.sequence <= this.#through && ', '']],
    layers: [unit(OPERATIONS)],
  },
  {
    id: 'purge-safe',
    promise: 'P2',
    breaks: 'an operator is told that a queue is empty before that is safe',
    edits: [['broker/purges.ts', 'ledger.sayAfter(() => (over', 'ledger.say(() => (over']],
    layers: [unit(OPERATIONS)],
  },
  {
    id: 'purge-reign',
    promise: 'P1',
    breaks: 'a server that serves no more goes on emptying a queue',
    edits: [['broker/purges.ts', 'if (this.#ended) return', '']],
    layers: [unit(OPERATIONS)],
  },
  {
    id: 'ended-owner',
    promise: 'clients',
    breaks: 'a client whose session an operator ended stays connected to nothing',
    edits: [['broker/sessions.ts', 'found.owner?.ended(refusal)', 'void refusal']],
    layers: [unit(OPERATIONS)],
  },
  {
    id: 'failed-first',
    promise: 'clients',
    breaks: 'what a consumer gives back with a failed message overtakes it',
    edits: [['broker/delivery.ts', 'subscription.failing.add(message)', 'void subscription']],
    layers: [unit('broker/redelivery')],
  },
  {
    id: 'temporary-used',
    promise: 'P10',
    breaks: 'each late reply makes a queue for ever',
    edits: [['broker/making.ts', 'name.startsWith(TEMPORARY_PREFIX)', "name.startsWith('-' + TEMPORARY_PREFIX)"]],
    layers: [unit('broker/topic-subscriptions')],
  },
  {
    id: 'sole-silent',
    promise: 'live',
    breaks: 'a client whose network broke is kept out by its former connection for longer than that may be silent',
    edits: [['protocols/amqp/sole.ts', ' && former.silentMs <= silentMs', '']],
    layers: [unit(SOLE)],
  },
  {
    id: 'sole-user',
    promise: 'clients',
    breaks: 'a user keeps another one out by taking its identifier',
    edits: [['protocols/amqp/sole.ts', '`${user}\\n${open.containerId}`', 'open.containerId']],
    layers: [unit(SOLE)],
  },
  {
    id: 'force-passive',
    promise: 'P3',
    breaks: 'a passive server is forced although its active one serves',
    edits: [['ha/force-active.ts', "role === 'PASSIVE' && observation.peer === 'DEAD' &&", "role === 'PASSIVE' &&"]],
    layers: [unit('ha/rolled-back')],
  },
  {
    id: 'force-takes-over',
    promise: 'P3',
    breaks: 'a loss is accepted where a passive server takes over by itself without one',
    edits: [['ha/force-active.ts', ' && sensors.news.fault?.code === REGISTER_WENT_BACK', '']],
    layers: [unit('ha/rolled-back')],
  },
]
