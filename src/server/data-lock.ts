// One process per data directory. The kernel drops a listening socket with its process, however that dies, so nothing
// stale is left to judge: on Linux an abstract socket, elsewhere a socket file that is tried before it is replaced.

import { createHash } from 'node:crypto'
import { accessSync, chmodSync, constants, mkdirSync, realpathSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import type { CodedError } from '../base/errors.ts'
import type { Clock, Log } from '../base/ports.ts'
import { serverError } from './errors.ts'

/** A broker whose keeper was killed still hands over before it ends; a restart by a supervisor comes sooner. */
const PATIENCE_MS = 3000
const AGAIN_MS = 50

/** Bodies of messages and what is kept of passwords lie there. */
const OWNER_ONLY = 0o700
const EVERYBODY = 0o007

/**
 * Takes the directory (made where it is missing, for its owner alone) for this process. One that every user of the machine may
 * enter is closed to them. Throws SERVER-DATA-IN-USE where another keeps it, SERVER-DATA-DIRECTORY where it cannot be used.
 */
export async function lockDataDirectory(directory: string, clock: Clock, log: Log): Promise<void> {
  const real = usable(directory)
  closeToOthers(real, log)
  const end = clock.now() + PATIENCE_MS
  for (;;) {
    try {
      return await tryLock(real)
    } catch (error) {
      if (clock.now() >= end || (error as CodedError).code !== 'SERVER-DATA-IN-USE') throw error
    }
    await new Promise<void>(resolve => clock.after(AGAIN_MS, resolve))
  }
}

function usable(directory: string): string {
  return inDataDirectory(directory, () => {
    make(directory)
    const real = realpathSync(directory)
    accessSync(real, constants.R_OK | constants.W_OK | constants.X_OK)
    return real
  })
}

/** What the system refuses there is the operator's to mend: a file of another user after a start as root, for one. */
export function inDataDirectory<T>(directory: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { syscall, message } = error as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    throw serverError('DATA-DIRECTORY', { directory, reason: message }, error)
  }
}

/**
 * With its parents, of which another server may be making one as well; mkdir's own way of that does not end where a file
 * system (/proc) has no room for any folder.
 */
function make(directory: string): void {
  const parent = dirname(directory)
  if (statSync(parent, { throwIfNoEntry: false }) === undefined) make(parent)
  try {
    mkdirSync(directory, OWNER_ONLY)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(directory).isDirectory()) throw error
  }
}

function closeToOthers(directory: string, log: Log): void {
  const { mode } = statSync(directory)
  if ((mode & EVERYBODY) === 0) return
  try {
    chmodSync(directory, mode & 0o7777 & ~EVERYBODY)
    log('info', `The data directory ${directory} is closed to other users of this machine now.`)
  } catch (error) {
    log('warn', serverError('DATA-OPEN', { directory, reason: (error as Error).message }).line())
  }
}

async function tryLock(real: string): Promise<void> {
  const abstract = process.platform === 'linux'
  const path = abstract ? `\0lockstep-${createHash('sha256').update(real).digest('hex')}` : join(real, 'in-use.sock')
  const server = await listen(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' || abstract || (await answers(path)))
      throw serverError('DATA-IN-USE', { directory: real }, error)
    rmSync(path, { force: true })
    return listen(path)
  })
  server.unref()
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.once('error', reject)
    server.listen({ path, exclusive: true }, () => resolve(server))
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
