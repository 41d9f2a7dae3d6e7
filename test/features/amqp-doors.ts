// How AMQP clients come in: WebSocket, TLS with a certificate that is renewed, and the ways of SASL; the same on the other server.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { connect } from 'node:tls'
import type { Connection } from 'rhea'
import { makeCertificate } from '../support/certificates.ts'
import { bodies, certain, drained, send } from '../support/rhea.ts'
import { clientFinal } from '../support/scram-client.ts'
import type { FeatureList } from './feature.ts'
import type { Ground } from './ground.ts'
import { named } from './inbox.ts'

const PASSWORD = 'correct horse'

/** Whether the server that serves has noted in its audit log that this user came in by this mechanism. */
function cameIn(ground: Ground, who: string, how: string): boolean {
  const lines = readFileSync(join(ground.pair.drill.folder, `audit-${ground.active}`), 'utf8')
    .trim()
    .split('\n')
  return lines
    .map(line => JSON.parse(line) as { event: string; who: string; how?: string })
    .some(entry => entry.event === 'signed-in' && entry.who === who && entry.how === how)
}

async function works(client: Connection, queue: string, ...names: string[]): Promise<void> {
  await send(client, queue, named(names))
  assert.deepEqual(bodies(await drained(await certain(client, { source: queue }), 10)), names)
}

/** SCRAM-SHA-256 as rhea takes mechanisms that it does not know. */
function scram(user: string, password: string): object {
  const first = `n=${user},r=${randomBytes(12).toString('base64')}`
  return {
    start: (callback: (error: unknown, response: Buffer) => void) => callback(undefined, Buffer.from(`n,,${first}`)),
    step(challenge: Buffer, callback: (error: unknown, response: Buffer) => void) {
      // The last word of the server is its own proof; to that the client has nothing to say.
      const text = challenge.toString()
      callback(undefined, Buffer.from(text.startsWith('v=') ? '' : clientFinal(`n,,${first}`, text, password)))
    },
  }
}

/** Of the certificate that is shown at this port. */
const fingerprint = (port: number | undefined): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: port as number, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    })
    socket.on('error', reject)
  })

export const amqpDoors: FeatureList = {
  file: 'amqp-doors',
  features: [
    {
      name: 'WebSocket transport',
      of: 'AMQP',
      promise: 'a client over WebSocket comes back to the other server and goes on',
      async begin(ground) {
        const queue = ground.name('web')
        const client = await ground.amqp({ over: 'web' })
        await works(client, queue, '1')
        return () => works(client, queue, '2')
      },
    },
    {
      name: 'SASL ANONYMOUS',
      of: 'AMQP',
      promise: 'a client without a name is let in from this machine, on both servers',
      more: 'security.md#accounts',
      async begin(ground) {
        const queue = ground.name('anonymous')
        const client = await ground.amqp({ rhea: { username: 'anonymous' } })
        await works(client, queue, '1')
        return async () => {
          await works(client, queue, '2')
          assert.ok(cameIn(ground, 'anonymous', 'ANONYMOUS'))
        }
      },
    },
    {
      name: 'SASL PLAIN',
      of: 'AMQP',
      promise: 'an account made at run time is known to both servers; a wrong password is refused by both',
      more: 'security.md#accounts',
      async begin(ground) {
        const [username, queue] = [ground.name('ann'), ground.name('plain')]
        await ground.command(['user', 'set', username], `${PASSWORD}\n`)
        const client = await ground.amqp({ rhea: { username, password: PASSWORD } })
        await works(client, queue, '1')
        return async () => {
          await works(client, queue, '2')
          await ground.amqp({ rhea: { username, password: PASSWORD } })
          await assert.rejects(ground.amqp({ rhea: { username, password: 'wrong' } }), /authenticate/i)
          assert.ok(cameIn(ground, username, 'PLAIN'))
        }
      },
    },
    {
      name: 'SASL SCRAM-SHA-256',
      of: 'AMQP',
      promise: 'the keys of an account are known to both servers, neither of which sees the password',
      more: 'security.md#accounts',
      async begin(ground) {
        const [username, queue] = [ground.name('bob'), ground.name('scram')]
        await ground.command(['user', 'set', username], `${PASSWORD}\n`)
        const as = (password: string): object => ({
          rhea: { sasl_mechanisms: { 'SCRAM-SHA-256': () => scram(username, password) } },
        })
        const client = await ground.amqp(as(PASSWORD))
        await works(client, queue, '1')
        return async () => {
          await works(client, queue, '2')
          await assert.rejects(ground.amqp(as('wrong')), /authenticate/i)
          assert.ok(cameIn(ground, username, 'SCRAM-SHA-256'))
        }
      },
    },
    {
      name: 'SASL EXTERNAL',
      of: 'AMQP',
      promise: 'a client with a certificate is let in under the name in it, on both servers',
      more: 'security.md#certificates',
      needs: 'certificates',
      async begin(ground) {
        const queue = ground.name('external')
        const { certFile, keyFile } = (ground.pair.certificates as { client: { certFile: string; keyFile: string } })
          .client
        const client = await ground.amqp({
          over: 'tls',
          rhea: { enable_sasl_external: true, cert: readFileSync(certFile), key: readFileSync(keyFile) },
        })
        await works(client, queue, '1')
        return async () => {
          await works(client, queue, '2')
          assert.ok(cameIn(ground, 'carol', 'EXTERNAL'))
        }
      },
    },
    {
      name: 'reload of certificates',
      of: 'both',
      promise: 'both servers use a renewed certificate for new connections, without a restart; open ones go on',
      more: 'security.md#certificates',
      needs: 'certificates',
      async begin(ground) {
        const queue = ground.name('tls')
        const client = await ground.amqp({ over: 'tls' })
        const both = (): Promise<string[]> =>
          Promise.all((['amqp', 'mqtt'] as const).map(protocol => fingerprint(ground.pair.ports(protocol, 'tls')[0])))
        const [old] = await both()
        const { server } = ground.pair.certificates as { server: { certFile: string } }
        makeCertificate(dirname(server.certFile), 'server')
        // The server looks at its files every two seconds.
        while ((await both()).includes(old as string)) await new Promise(resolve => setTimeout(resolve, 50))
        await works(client, queue, '1')
        return async () => {
          assert.ok(!(await both()).includes(old as string))
          await works(client, queue, '2')
        }
      },
    },
  ],
}
