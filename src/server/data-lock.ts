// One process per data directory. The kernel drops a listening socket with its process, however that dies, so nothing
// stale is left to judge: on Linux an abstract socket, elsewhere a socket file that is tried before it is replaced.

import { createHash } from 'node:crypto'
import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { CodedError } from '../base/errors.ts'
import type { Clock } from '../base/ports.ts'
import { serverError } from './errors.ts'

/** A broker whose keeper was killed still hands over before it ends; a restart by a supervisor comes sooner. */
const PATIENCE_MS = 3000
const AGAIN_MS = 50

/** Takes the directory (made where it is missing) for this process. Throws SERVER-DATA-IN-USE where another keeps it. */
export async function lockDataDirectory(directory: string, clock: Clock): Promise<void> {
  const end = clock.now() + PATIENCE_MS
  for (;;) {
    try {
      return await tryLock(directory)
    } catch (error) {
      if (clock.now() >= end || (error as CodedError).code !== 'SERVER-DATA-IN-USE') throw error
    }
    await new Promise<void>(resolve => clock.after(AGAIN_MS, resolve))
  }
}

async function tryLock(directory: string): Promise<void> {
  try {
    mkdirSync(directory, { recursive: true })
  } catch (error) {
    throw serverError('DATA-DIRECTORY', { directory, reason: (error as Error).message }, error)
  }
  const real = realpathSync(directory)
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
