// Looks at the LockFile's folder before a server starts and says what is wrong with it for good: it is not there, not
// writable, or its rights let one server not touch the other's files. It changes nothing there. Shares that hang or fail
// only now are the keeper's business; mounts and their options are the doctor's.

import { constants, promises as fs } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { CodedError } from '../base/errors.ts'
import type { Clock } from '../base/ports.ts'
import { lockError, shareFault } from '../ha/lock-errors.ts'
import { ShareError } from '../ha/share.ts'

const STICKY_BIT = 0o1000
const FOR_GOOD = new Set(['LOCK-FOLDER-MISSING', 'LOCK-DENIED', 'LOCK-READ-ONLY', 'LOCK-STICKY'])

/** The reason not to start, or null. Gives up after `limitMs`: a share that hangs is no reason. */
export function checkLockFolder(lockFile: string, clock: Clock, limitMs: number): Promise<CodedError | null> {
  return new Promise(resolve => {
    const timer = clock.after(limitMs, () => resolve(null))
    inspect(lockFile).then(
      found => {
        timer.cancel()
        resolve(found)
      },
      (error: NodeJS.ErrnoException) => {
        timer.cancel()
        const fault = shareFault(new ShareError(error.code ?? 'EUNKNOWN', error.message), lockFile)
        resolve(FOR_GOOD.has(fault.code) ? fault : null)
      },
    )
  })
}

async function inspect(lockFile: string): Promise<CodedError | null> {
  const folder = dirname(lockFile)
  const { mode, uid } = await fs.stat(folder)
  // Listing says whether it is a folder at all; `access` knows of read-only mounts.
  const names = await fs.readdir(folder)
  await fs.access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  const user = process.geteuid?.() ?? 0
  if ((mode & STICKY_BIT) === 0 || user === 0 || uid === user) return null
  const base = basename(lockFile)
  for (const name of names) {
    if (name !== base && !name.startsWith(`${base}.`)) continue
    const owner = await fs.lstat(`${folder}/${name}`).catch(() => null)
    if (owner !== null && owner.uid !== user)
      return lockError('STICKY', { lockFile, file: name, owner: owner.uid, user })
  }
  return null
}
