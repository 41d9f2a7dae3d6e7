// Waiting for room where nobody is told of every message that leaves: it is looked for now and then.

import type { Clock } from '../base/ports.ts'

const LOOK_MS = 5

/** Calls `ready` once when there is room; the returned function forgets it. */
export function whenRoom(
  place: { room(): number; readonly open: boolean },
  clock: Clock,
  ready: () => void,
): () => void {
  let wanted = true
  const look = (): void => {
    if (!wanted || !place.open) return
    if (place.room() > 0) ready()
    else clock.after(LOOK_MS, look)
  }
  clock.after(LOOK_MS, look)
  return () => {
    wanted = false
  }
}
