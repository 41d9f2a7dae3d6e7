// A process of the doctor's own: does one job on a share or disk that may hang, tells each step before it takes it, and
// ends. Whoever started it (doctor-jobs.ts) kills it when a step takes too long; nothing of that process hangs then.

import { diskJob, stallJob } from './doctor-disk.ts'
import { cleanJob, lookJob, probeJob } from './doctor-folder.ts'
import type { Job, Step, Told } from './doctor-jobs.ts'
import { meetJob } from './doctor-meeting.ts'
import { contendJob } from './doctor-races.ts'

const jobs = {
  look: lookJob,
  probe: probeJob,
  clean: cleanJob,
  contend: contendJob,
  disk: diskJob,
  stall: stallJob,
  meet: meetJob,
} as const

const tell = (told: Told): void => void process.send?.(told)

// Whoever asked is gone: nobody wants the answer.
process.on('disconnect', () => process.exit(1))
process.on('message', (job: Job) => {
  if (!('job' in job)) return
  const run = jobs[job.job as keyof typeof jobs] as (job: Job, step: Step) => Promise<unknown>
  run(job, (step, soFar) => tell({ step, ...(soFar === undefined ? {} : { soFar }) })).then(
    value => process.send?.({ value }, () => process.exit(0)),
    (error: NodeJS.ErrnoException) =>
      process.send?.({ error: { code: codeOf(error), message: error.message } }, () => process.exit(0)),
  )
})

/** Node on Linux has no name for ESTALE. */
function codeOf(error: NodeJS.ErrnoException): string {
  return error.errno === -116 ? 'ESTALE' : (error.code ?? 'EUNKNOWN')
}
