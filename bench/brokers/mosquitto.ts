// Mosquitto from Debian's package for the bench: one process, with persistence. It saves to its file when it ends and every
// half hour, so that what it acknowledges is in memory only; or at every change, all of it. Limits are set so that none of
// them slows the run.

import type { ChildProcess } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../../test/support/free-ports.ts'
import { end, kill, launch, listening, type MortalBroker, type MqttBroker } from './broker.ts'

const BIN = '/usr/sbin/mosquitto'

export class Mosquitto implements MqttBroker, MortalBroker {
  readonly name: string
  readonly missing = existsSync(BIN) ? null : 'apt-get install mosquitto'
  mqttPort = 0
  readonly #saves: boolean
  #folder = ''
  #server?: ChildProcess

  /** `saves`: at every change, the nearest that it has to keeping what it acknowledges. */
  constructor({ saves = false } = {}) {
    this.#saves = saves
    this.name = saves ? 'Mosquitto, saving at every change' : 'Mosquitto'
  }

  async start(folder: string): Promise<void> {
    const [port = 0] = await freePorts(1)
    this.mqttPort = port
    this.#folder = folder
    writeFileSync(join(folder, 'mosquitto.conf'), config(port, folder) + (this.#saves ? SAVES : ''))
    await this.#launch()
  }

  async #launch(): Promise<void> {
    this.#server = launch(BIN, ['-c', join(this.#folder, 'mosquitto.conf')], this.#folder)
    await listening(this.mqttPort, this.#server, this.#folder)
  }

  async kill(): Promise<void> {
    await kill(this.#server!)
    await this.#launch()
  }

  whole(): Promise<void> {
    return Promise.resolve()
  }

  ways() {
    return Promise.resolve([{ protocol: 'mqtt' as const, port: this.mqttPort, address: 'bench/kills', user: null }])
  }

  roots(): number[] {
    return [this.#server!.pid!]
  }

  stop(): Promise<void> {
    return end(this.#server)
  }
}

const config = (port: number, folder: string): string => `
listener ${port} 127.0.0.1
user ${userInfo().username}
allow_anonymous true
persistence true
persistence_location ${folder}/
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
log_dest none
`

const SAVES = `
autosave_on_changes true
autosave_interval 1
`
