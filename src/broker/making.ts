// How a queue comes to be: by a record, before the first that speaks of it, when somebody first names it.

import { TEMPORARY_PREFIX } from './api.ts'
import { notServing } from './intake.ts'
import { QueueChange } from './ledger.ts'
import { nameFault } from './limits.ts'
import type { Queue } from './queue.ts'
import type { RecordGround } from './record-ground.ts'
import { encodeQueue, NOTHING, QUEUE } from './records.ts'
import type { Refusal } from './refusal.ts'
import type { State } from './state.ts'

interface MakingGround extends RecordGround {
  readonly state: State
}

/** The queue of this name, declared where it is missing and may be. */
export function queueNamed(ground: MakingGround, name: string, create: boolean): Queue | Refusal {
  if (!ground.serving) return notServing
  const { state, limits, ledger } = ground
  const queue = state.named(name)
  if (queue !== null) return queue
  if (name.startsWith(TEMPORARY_PREFIX)) return { refused: 'not-found', text: `the temporary queue ${name} is gone` }
  const wrong = nameFault(name)
  if (wrong !== null) return { refused: 'not-allowed', text: wrong }
  if (!create) {
    const text = `there is no queue ${name}, and the profile does not let clients make queues`
    return { refused: 'not-found', text }
  }
  if (state.queueCount >= limits.queues) {
    return { refused: 'limit', text: `there are ${limits.queues} queues, the limit` }
  }
  const sequence = ground.append(QUEUE, encodeQueue(name), NOTHING)
  if (sequence === 0) return ground.noRecord
  const declared = state.declare(sequence, name, false)
  ledger.change(new QueueChange(QUEUE, sequence, declared, []))
  return declared
}
