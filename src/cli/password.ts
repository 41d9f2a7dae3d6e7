// A password from an operator, without showing it: typed twice at a terminal, or one line on standard input. Never an
// argument, which everybody on the machine could read. What is kept of it is reckoned here, so that it goes no further.

import { randomBytes, scryptSync } from 'node:crypto'
import { SCRAM_ROUNDS, writeScrypt } from '../access/accounts.ts'
import { scramKeys } from '../access/scram.ts'
import { CommandFailed, EXIT, Misused } from './errors.ts'

/** scrypt (RFC 7914): 16 MiB and some 40 ms for each check. */
const COST = 2 ** 14
const BLOCK_SIZE = 8
const LEAST = 8
const MOST = 1000

/** What an account keeps of a password, in the form of the admin API. */
export function verifiersOf(password: string): object {
  const salt = randomBytes(16)
  const hash = scryptSync(password, salt, 32, { N: COST, r: BLOCK_SIZE, p: 1 })
  const scram = scramKeys(password, randomBytes(16), SCRAM_ROUNDS)
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return {
    password: writeScrypt({ cost: COST, blockSize: BLOCK_SIZE, parallelism: 1, salt, hash }),
    scram: {
      salt: base64(scram.salt),
      rounds: scram.rounds,
      storedKey: base64(scram.storedKey),
      serverKey: base64(scram.serverKey),
    },
  }
}

export async function askPassword(): Promise<string> {
  const first = await (process.stdin.isTTY ? typed('Password: ') : line())
  if (process.stdin.isTTY && (await typed('Again: ')) !== first) throw new Misused('The two passwords differ.')
  if (first.length < LEAST || first.length > MOST) throw new Misused(`A password has ${LEAST} to ${MOST} characters.`)
  if (/\0/.test(first)) throw new Misused('A password holds no NUL character.')
  return first
}

async function line(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.includes('\n') || text.length > MOST + 2) break
  }
  return text.replace(/\r?\n[^]*$/, '')
}

/** Reads keys without their echo until Return. */
function typed(prompt: string): Promise<string> {
  const { stdin, stderr } = process
  // First the keys, then the prompt: what is typed at once is not shown either.
  stdin.setRawMode(true)
  stdin.resume()
  stderr.write(prompt)
  return new Promise((resolve, reject) => {
    let text = ''
    const over = (): void => {
      stdin.off('data', take)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
    }
    const take = (chunk: Buffer): void => {
      for (const key of chunk.toString('utf8')) {
        if (key === '\r' || key === '\n' || key === '\u0004') {
          over()
          return resolve(text)
        }
        if (key === '\u0003') {
          over()
          return reject(new CommandFailed(EXIT.interrupted, ['Interrupted: nothing was changed.']))
        }
        text = key === '\u007f' || key === '\b' ? text.replace(/.$/u, '') : text + key
      }
    }
    stdin.on('data', take)
  })
}
