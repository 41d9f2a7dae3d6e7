// Certificates of a client port: read when the port opens, and again when their files change, so that a renewed certificate
// needs no restart. Files that do not fit together are reported and change nothing.

import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type Server, type TlsOptions } from 'node:tls'
import type { CodedError } from '../base/errors.ts'
import type { Clock, Timer } from '../base/ports.ts'
import { serverError } from './errors.ts'

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** What signs clients' certificates, PEM; null: clients are not asked for one. */
  readonly clientCaFile: string | null
  /** Whether a client without a certificate of that signer may come in (and say who it is in another way). */
  readonly clientCertificate: 'optional' | 'required'
}

const LOOK_EVERY_MS = 2000
const HANDSHAKE_MS = 10_000

/** Options of a server with these files; throws where they can't be used. */
export function tlsOptions(files: TlsFiles): TlsOptions {
  const found = read(files)
  createSecureContext(found) // so that files that do not fit together are found out here
  return {
    ...found,
    handshakeTimeout: HANDSHAKE_MS,
    requestCert: files.clientCaFile !== null,
    rejectUnauthorized: files.clientCaFile !== null && files.clientCertificate === 'required',
  }
}

const read = ({ certFile, keyFile, clientCaFile }: TlsFiles) => ({
  cert: readFileSync(certFile),
  key: readFileSync(keyFile),
  ...(clientCaFile === null ? {} : { ca: readFileSync(clientCaFile) }),
})

export interface TlsWatchParts {
  readonly server: Pick<Server, 'setSecureContext'>
  readonly files: TlsFiles
  readonly purpose: string
  readonly key: string
  readonly clock: Clock
  /** New connections use the new files from now on. */
  readonly renewed: () => void
  readonly warn: (error: CodedError) => void
}

/** Looks at the files now and then until `cancel`; only new connections notice a change. */
export function watchTlsFiles({ server, files, purpose, key, clock, renewed, warn }: TlsWatchParts): Timer {
  let seen = stampOf(files)
  let timer: Timer
  const look = (): void => {
    timer = clock.after(LOOK_EVERY_MS, look)
    const now = stampOf(files)
    if (now === seen) return
    seen = now
    try {
      server.setSecureContext(tlsOptions(files))
      renewed()
    } catch (error) {
      warn(serverError('OLD-CERTIFICATE', { purpose, key, reason: (error as Error).message }, error))
    }
  }
  timer = clock.after(LOOK_EVERY_MS, look)
  return { cancel: () => timer.cancel() }
}

/** Changes when one of the files does; a file that is being replaced at this moment counts as a change, too. */
function stampOf({ certFile, keyFile, clientCaFile }: TlsFiles): string {
  const one = (file: string | null): string => {
    if (file === null) return ''
    try {
      const { mtimeMs, size, ino } = statSync(file)
      return `${mtimeMs} ${size} ${ino}`
    } catch {
      return 'none'
    }
  }
  return [certFile, keyFile, clientCaFile].map(one).join(',')
}
