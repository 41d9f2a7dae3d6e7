// RabbitMQ from Debian's package for the bench: one node, durable queues of either type (quorum: a Raft log with fdatasync
// before each confirm), AMQP 1.0 and MQTT by its plugins. Runs in a folder of its own; whatever the machine's own RabbitMQ does is not touched.

import { execFile, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from '../../test/support/free-ports.ts'
import { end, kill, launch, listening, type MortalBroker, type MqttBroker, type QueueBroker } from './broker.ts'

const BIN = '/usr/lib/rabbitmq/bin'
const run = promisify(execFile)

export class RabbitMq implements QueueBroker, MqttBroker, MortalBroker {
  readonly name: string
  readonly missing = existsSync(`${BIN}/rabbitmq-server`) ? null : 'apt-get install rabbitmq-server'
  #server?: ChildProcess
  #env: NodeJS.ProcessEnv = {}
  #port = 0
  #folder = ''
  mqttPort = 0
  readonly #type: 'quorum' | 'classic'

  constructor(type: 'quorum' | 'classic') {
    this.#type = type
    this.name = `RabbitMQ ${type}`
  }

  async start(folder: string): Promise<void> {
    const [port = 0, dist, epmd, mqtt = 0] = await freePorts(4)
    this.#port = port
    this.mqttPort = mqtt
    this.#folder = folder
    const at = (name: string) => join(folder, name)
    mkdirSync(at('data'))
    mkdirSync(at('log'))
    writeFileSync(at('plugins'), '[rabbitmq_amqp1_0, rabbitmq_mqtt].\n')
    writeFileSync(at('rabbitmq.conf'), config(port, mqtt))
    writeFileSync(at('env.conf'), '')
    this.#env = {
      HOME: folder,
      RABBITMQ_CONF_ENV_FILE: at('env.conf'),
      RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: at('plugins'),
      RABBITMQ_MNESIA_BASE: at('data'),
      RABBITMQ_LOG_BASE: at('log'),
      RABBITMQ_PID_FILE: at('pid'),
      RABBITMQ_NODENAME: 'bench@localhost',
      RABBITMQ_DIST_PORT: String(dist),
      RABBITMQ_NODE_PORT: String(port),
      ERL_EPMD_PORT: String(epmd),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      // Erlang in the place of the shell that starts it, so that signals and CPU times are its own.
      RUNNING_UNDER_SYSTEMD: 'true',
    }
    this.#launch()
    await this.whole()
  }

  #launch(): void {
    this.#server = launch(`${BIN}/rabbitmq-server`, [], this.#folder, this.#env)
  }

  async kill(): Promise<void> {
    await kill(this.#server!)
    this.#launch()
  }

  async whole(): Promise<void> {
    await listening(this.#port, this.#server!, this.#folder)
    await this.#control('await_startup')
  }

  async way(queue: string) {
    const name = `rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)`
    const type = `[{<<"x-queue-type">>, longstr, <<"${this.#type}">>}]`
    await this.#control('eval', `rabbit_amqqueue:declare(${name}, true, false, ${type}, none, <<"bench">>).`)
    return { protocol: 'amqp' as const, port: this.#port, address: `/amq/queue/${queue}`, user: 'guest' }
  }

  async ways() {
    return [await this.way('bench-kills')]
  }

  roots(): number[] {
    return [this.#server!.pid!]
  }

  async stop(): Promise<void> {
    await end(this.#server)
    // Erlang leaves its port mapper behind.
    await run('epmd', ['-port', this.#env['ERL_EPMD_PORT']!, '-kill']).catch(() => {})
  }

  async #control(...args: string[]): Promise<void> {
    await run(`${BIN}/rabbitmqctl`, args, { env: { ...process.env, ...this.#env }, timeout: 60_000 })
  }
}

const config = (port: number, mqtt: number): string => `
listeners.tcp.1 = 127.0.0.1:${port}
mqtt.listeners.tcp.1 = 127.0.0.1:${mqtt}
mqtt.prefetch = 1000
log.file.level = error
`
