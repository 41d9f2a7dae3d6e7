// Faults of the share, the lock and the register, as the operator sees them, and how an error code of the operating
// system becomes one of them. Nothing here decides what the server does about it.

import { CodedError, defineErrors } from '../base/errors.ts'
import { ShareError } from './share.ts'

// prettier-ignore
export const lockError = defineErrors('LOCK', {
  UNREACHABLE: {
    what: 'The share of the LockFile {lockFile} does not answer ({detail}).',
    remedy: 'Check the gateway machine, the network to it and the mount. The server goes on as far as it may without the lock.',
  },
  DENIED: {
    what: 'The share of the LockFile {lockFile} denies access ({detail}).',
    remedy: 'Give the user of this server the right to create, rename and delete files in that folder, on the share and in its export.',
  },
  'READ-ONLY': {
    what: 'The share of the LockFile {lockFile} is read-only ({detail}).',
    remedy: 'Mount and export it for writing; a file system that turned read-only by itself has a damaged disk.',
  },
  FULL: {
    what: 'The share of the LockFile {lockFile} is full ({detail}).',
    remedy: 'Free space or raise the quota on the gateway machine; a few kilobytes suffice.',
  },
  'FOLDER-MISSING': {
    what: 'The folder of the LockFile {lockFile} is not there ({detail}).',
    remedy: 'Check that the share is mounted and that the path in the profile is right. Do not create the folder on the local disk.',
  },
  'STALE-HANDLE': {
    what: 'The share of the LockFile {lockFile} was exchanged under the mount ({detail}).',
    remedy: 'Mount it again. If the gateway was restored from a backup, see the docs on a LockFile that went back.',
  },
  FAILED: {
    what: 'The share of the LockFile {lockFile} fails ({detail}).',
    remedy: 'See the error of the operating system; `lockstep doctor` tests the share.',
  },
  'LEASE-DIFFERS': {
    what: 'The server {node} holds the lock with a lease of {theirs} ms, this server is configured with {mine} ms.',
    remedy: 'Set passiveLockAcquisitionInterval to the same value in both profiles.',
  },
  'SAME-LABEL': {
    what: 'Another server that is configured as {label} holds the lock {lockFile} and is alive (instance {instance}).',
    remedy: 'Stop one of them, or correct `server` in its profile: one must be primary, the other secondary.',
  },
  'SAME-HOST-NAME': {
    what: 'Both servers run on hosts named {host}, and these are two different machines.',
    remedy: 'Give the machines different host names: file servers tell their clients apart by name and would mix them up.',
  },
  'RECORD-DAMAGED': {
    what: 'The newest record of the register, {file}, is damaged ({detail}).',
    remedy: 'It says which copy is in sync, so no server guesses: check the share, see `lockstep status` on both servers, and move the file away only where both agree on the record before it.',
  },
  'ROLLED-BACK': {
    what: 'The register of {lockFile} went back: this server has seen record {seen}, now the newest is {found}.',
    remedy: 'Records were deleted or the share was restored from an older copy. Bring the newer files back; where they are gone for good, docs/operations.md (The share) says which server to force, and when.',
  },
})

const CODES: Readonly<Record<string, Parameters<typeof lockError>[0]>> = {
  EACCES: 'DENIED',
  EPERM: 'DENIED',
  EROFS: 'READ-ONLY',
  ENOSPC: 'FULL',
  EDQUOT: 'FULL',
  ENOENT: 'FOLDER-MISSING',
  ENOTDIR: 'FOLDER-MISSING',
  ESTALE: 'STALE-HANDLE',
}

const SILENT = new Set(
  'ETIMEDOUT EIO EAGAIN EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENOTCONN ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ENXIO ENODEV EREMOTEIO ESHUTDOWN EINTR'.split(
    ' ',
  ),
)

/** The coded error for whatever went wrong on the share. Not for our own broken promises: those pass through. */
export function shareFault(error: unknown, lockFile: string): CodedError {
  if (error instanceof CodedError) return error
  if (!(error instanceof ShareError)) throw error
  const name = SILENT.has(error.code) ? 'UNREACHABLE' : (CODES[error.code] ?? 'FAILED')
  return lockError(name, { lockFile, detail: `${error.code}, ${error.message}` }, error)
}

/** Who a host is, for telling two of them apart; exchanged in the greeting. */
export interface HostIdentity {
  readonly hostName: string
  /** Differs between machines (machine id, else boot id); '' where unknown. */
  readonly machine: string
}

/** Two machines with one name make a file server mix up their locks. Null where that cannot be. */
export const checkHosts = (mine: HostIdentity, theirs: HostIdentity): CodedError | null =>
  mine.hostName === theirs.hostName && mine.machine !== '' && theirs.machine !== '' && mine.machine !== theirs.machine
    ? lockError('SAME-HOST-NAME', { host: mine.hostName })
    : null
