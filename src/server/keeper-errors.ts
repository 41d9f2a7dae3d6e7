// What a keeper process has to say of its broker and of its own end.

import { defineErrors } from '../base/errors.ts'

// prettier-ignore
export const keeperError = defineErrors('KEEPER', {
  'BROKER-CRASHED': {
    what: 'The broker process (pid {pid}) ended by itself: {how}.',
    remedy: 'See the lines before this one, and start it again. Where it served, the lock is released and the other server takes over.',
  },
  'BROKER-FROZEN': {
    what: 'The broker process (pid {pid}) has given no sign of life for {silenceMs} ms and is killed.',
    remedy: 'Look for a paused process, swapping or a starved machine. The other server takes over; start this one again.',
  },
  'BROKER-STOP-SLOW': {
    what: 'The broker process (pid {pid}) did not stop within {limitMs} ms and is killed.',
    remedy: 'Nothing that was acknowledged is lost: it is read back at the next start.',
  },
  'SHARE-HANGS-AT-EXIT': {
    what: 'An operation on the share of {lockFile} hangs; this process can end only by killing itself (its exit status is that of SIGKILL).',
    remedy: 'Check the gateway machine and the mount. The other server takes the lock once the lease has run out.',
  },
})
