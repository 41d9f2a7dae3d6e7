// The client's side of SCRAM-SHA-256, by the book (RFC 5802).

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

/** The final message: `first` is what the client began with, `challenge` the server's answer to it. */
export function clientFinal(first: string, challenge: string, password: string): string {
  const [, salt = '', rounds = ''] = /,s=([^,]*),i=(\d+)/.exec(challenge) ?? []
  const [, nonce = ''] = /^r=([^,]*)/.exec(challenge) ?? []
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256')
  const key = createHmac('sha256', salted).update('Client Key').digest()
  const unproved = `c=biws,r=${nonce}`
  const stored = createHash('sha256').update(key).digest()
  const signature = createHmac('sha256', stored)
    .update(`${first.slice(3)},${challenge},${unproved}`)
    .digest()
  const proof = Buffer.from(key.map((byte, i) => byte ^ (signature[i] as number)))
  return `${unproved},p=${proof.toString('base64')}`
}
