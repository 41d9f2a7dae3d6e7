// The pair of real processes that all features of a test share, on all kinds of ports: plain, TLS, WebSocket.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate, type TestCertificate } from '../support/certificates.ts'
import { Drill, other, type Label, type Sets } from '../support/drill.ts'
import { freePorts } from '../support/free-ports.ts'

type Way = 'tls' | 'web'
type Protocol = 'amqp' | 'mqtt'
type Ports = Readonly<Record<Label, number>>

/** For both servers, or what each of them has; `folder` is that of both. */
export type SetsOf = Sets | ((label: Label, folder: string) => Sets)

const MIB = 1024 * 1024
/** Less than the hook has that waits for it. */
const START_MS = 45_000

export interface Certificates {
  readonly server: TestCertificate
  /** A client with this one may come in as `carol`. */
  readonly client: TestCertificate
}

export class FeaturePair {
  readonly drill: Drill
  /** Null: there is no openssl here. */
  readonly certificates: Certificates | null
  active: Label = 'primary'
  readonly #ports: Readonly<Record<Protocol, Readonly<Record<Way | 'plain', Ports>>>>
  readonly #folder: string
  #standby: Promise<void> | null = null

  private constructor(drill: Drill, folder: string, certificates: Certificates | null, ports: readonly number[]) {
    this.drill = drill
    this.#folder = folder
    this.certificates = certificates
    const two = (at: number): Ports => ({ primary: ports[at] as number, secondary: ports[at + 1] as number })
    this.#ports = {
      amqp: { plain: drill.amqp, tls: two(0), web: two(2) },
      mqtt: { plain: drill.mqtt, tls: two(4), web: two(6) },
    }
  }

  /** Both run, one serves. `sets`: keys of the profiles besides the usual ones. */
  static async make(sets: SetsOf = {}): Promise<FeaturePair> {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-features-'))
    const server = makeCertificate(folder, 'server')
    const client = makeCertificate(folder, 'carol')
    const certificates = server && client && { server, client }
    const ports = await freePorts(8)
    const drill = await Drill.make({
      sets: (label, drillFolder) => {
        const own = (at: number): number => ports[label === 'primary' ? at : at + 1] as number
        const tls = (port: number): Sets =>
          certificates === null
            ? {}
            : { port, certFile: certificates.server.certFile, keyFile: certificates.server.keyFile, clientCaFile: certificates.client.certFile } // prettier-ignore
        return {
          'listeners.amqp.tls': tls(own(0)),
          'listeners.amqp.ws.port': own(2),
          'listeners.mqtt.tls': tls(own(4)),
          'listeners.mqtt.ws.port': own(6),
          'security.auditLog': join(drillFolder, `audit-${label}`),
          'limits.messageBytes': 9 * MIB,
          'limits.connectionBacklogBytes': 32 * MIB,
          'limits.journalSegmentBytes': 32 * MIB,
          'limits.journalTailBytes': 32 * MIB,
          ...(typeof sets === 'function' ? sets(label, drillFolder) : sets),
        }
      },
    })
    const pair = new FeaturePair(drill, folder, certificates, ports)
    try {
      const ended = (['primary', 'secondary'] as const).map(label => drill.start(label).exit)
      const active = await Promise.race([drill.settled(START_MS), ...ended])
      if (typeof active !== 'string') throw new Error(`a server ended:\n${drill.logs()}`)
      pair.active = active
    } catch (error) {
      await pair.end()
      throw error
    }
    return pair
  }

  /** The ports of both servers, that of the active one first. */
  ports(protocol: Protocol, way: Way | 'plain'): readonly number[] {
    const ports = this.#ports[protocol][way]
    return [ports[this.active], ports[other(this.active)]]
  }

  /** kill -9 of the active broker; ends when the other server serves. */
  async failover(): Promise<void> {
    const survivor = this.drill.server(other(this.active))
    const said = survivor.lines.length
    this.drill.server(this.active).signal('broker', 'SIGKILL')
    await survivor.line('switched to STANDALONE', said)
    this.active = survivor.label
    this.#standby = null
  }

  /** The server that was killed is back and follows; for features that end with a pair. */
  standby(): Promise<void> {
    this.#standby ??= (async () => {
      const killed = this.drill.server(other(this.active))
      if ((await this.drill.status(killed.label)) === null) {
        await killed.exit
        this.drill.start(killed.label)
      }
      assert.equal(await this.drill.settled(), this.active)
    })()
    return this.#standby
  }

  async end(): Promise<void> {
    await this.drill.end()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
