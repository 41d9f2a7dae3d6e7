// One request to a server's admin API, bounded in time and size; everything that goes wrong becomes a coded error with
// the right exit code.

import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import { cliError, EXIT, failed, type CommandFailed } from './errors.ts'
import type { Target } from './target.ts'

const CONNECT_MS = 5_000
const MOST_BYTES = 16 * 1024 * 1024

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly body?: unknown
  /** For the whole answer; a switchover may take its time. */
  readonly withinMs?: number
  /** Gets the body as it comes, instead of having it gathered. Called for success only. */
  readonly onChunk?: (chunk: Buffer) => void
}

export interface Told {
  readonly status: number
  readonly text: string
}

/** The answer to a request, whatever its status. */
export function ask(target: Target, path: string, options: Ask = {}): Promise<Told> {
  const body = options.body === undefined ? '' : JSON.stringify(options.body)
  const url = new URL(target.base + path)
  return new Promise((resolve, reject) => {
    const unreachable = (problem: string) =>
      reject(failed(cliError('UNREACHABLE', { target: target.name, address: target.base, problem }), EXIT.unreachable))
    const call = (url.protocol === 'https:' ? requestTls : request)(
      url,
      {
        method: options.method ?? 'GET',
        agent: false,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          connection: 'close',
          ...(target.token === null ? {} : { authorization: `Bearer ${target.token}` }),
        },
      },
      response => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          if (options.onChunk !== undefined && response.statusCode === 200) return options.onChunk(chunk)
          size += chunk.length
          if (size <= MOST_BYTES) chunks.push(chunk)
          else response.destroy(new Error(`its answer is larger than ${MOST_BYTES} bytes`))
        })
        response.on('error', error => unreachable(error.message))
        response.on('aborted', () => unreachable('the answer broke off'))
        response.on('end', () => {
          clearTimeout(limit)
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') })
        })
      },
    )
    const limit = setTimeout(() => call.destroy(new Error('no answer in time')), options.withinMs ?? CONNECT_MS)
    call.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(limit)
      if (error.code?.startsWith('HPE_') === true) reject(notLockstep(target, 'it does not speak HTTP'))
      else unreachable(error.code === 'ECONNREFUSED' ? 'connection refused' : error.message)
    })
    call.end(body)
  })
}

/** The JSON of a successful answer; a refusal becomes exit code 1. */
export async function askJson<T>(target: Target, path: string, options: Ask = {}): Promise<T> {
  const told = await ask(target, path, options)
  let parsed: unknown
  try {
    parsed = JSON.parse(told.text)
  } catch {
    throw notLockstep(target, `status ${told.status}, no JSON`)
  }
  if (told.status === 200) return parsed as T
  const { code, message, remedy } = (parsed ?? {}) as Record<string, unknown>
  if (typeof code !== 'string' || typeof message !== 'string') throw notLockstep(target, `status ${told.status}`)
  throw failed(cliError('REFUSED', { problem: `${code}: ${message}`, remedy: String(remedy ?? '') }))
}

const notLockstep = (target: Target, problem: string): CommandFailed =>
  failed(cliError('NOT-LOCKSTEP', { address: target.base, problem }), EXIT.unreachable)
