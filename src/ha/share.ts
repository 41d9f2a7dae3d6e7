// The share (the folder of the LockFile) as the lock protocol sees it. The protocol is written as generators that yield
// one request and are resumed with its outcome: the same code runs over the real share (src/server), the simulated one,
// and one operation at a time under exploration. Nothing here knows of promises or of time-outs: the driver gives up on an
// operation after its limit and resumes the generator with ETIMEDOUT, and the operation may still be executed later.

export type ShareRequest =
  | { readonly op: 'mkdir'; readonly path: string }
  | { readonly op: 'rmdir'; readonly path: string }
  | { readonly op: 'readdir'; readonly path: string }
  | { readonly op: 'rename'; readonly path: string; readonly to: string }
  /** Creates a file exclusively (O_EXCL) and closes it; `text` is written and flushed first where it is given. */
  | { readonly op: 'create'; readonly path: string; readonly text?: string }
  | { readonly op: 'link'; readonly path: string; readonly to: string }
  | { readonly op: 'unlink'; readonly path: string }
  | { readonly op: 'read'; readonly path: string }
  /** Identity of a folder: inode and mtime as text. */
  | { readonly op: 'stat'; readonly path: string }
  /** Flushes a folder, so that names in it are durable, or a file; shares that cannot do it answer with success. */
  | { readonly op: 'syncdir'; readonly path: string }

/** Error codes are those of the operating system (ENOENT, EEXIST, ...); ESTALE also where Node has no name for it. */
export type ShareOutcome =
  | { readonly ok: true; readonly names: readonly string[]; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** A piece of the lock protocol: yields requests, gets outcomes, returns what it found. */
export type ShareSteps<T> = Generator<ShareRequest, T, ShareOutcome>

/** Runs pieces of the protocol over a share. Lock and register have one each, so that neither waits for the other. */
export interface ShareDriver {
  /**
   * Performs each request of `steps` and gives up on it after `limitMs`; `done` is called once, later, with what the steps
   * threw or returned. One operation is on its way to the share at a time, an abandoned one included: while it has not
   * come back, a further one fails at once with ETIMEDOUT. Callers keep to one `run` at a time.
   */
  run<T>(steps: ShareSteps<T>, limitMs: number, done: ShareDone<T>): void
}

export type ShareDone<T> = (error: Error | null, value: T | undefined) => void

/** One operation on the share failed; `code` as in ShareOutcome. Thrown inside ShareSteps. */
export class ShareError extends Error {
  override name = 'ShareError'
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Yields one request; throws ShareError where it failed. */
export function* share(request: ShareRequest): ShareSteps<{ names: readonly string[]; text: string }> {
  const outcome = yield request
  if (!outcome.ok) throw new ShareError(outcome.code, `${request.op} ${request.path}: ${outcome.message}`)
  return outcome
}
