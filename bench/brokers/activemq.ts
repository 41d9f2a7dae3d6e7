// ActiveMQ Classic from Debian's package for the bench: KahaDB with its journal synced before each answer; one broker, or
// master and slave on one data folder, where the slave waits for the lock on its file. Debian packs it without the AMQP
// connector, so its clients speak STOMP.

import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../../test/support/free-ports.ts'
import { end, kill, launch, listening, pause, type MortalBroker, type QueueBroker } from './broker.ts'

const HOME = '/usr/share/activemq'
const JAR = `${HOME}/bin/activemq.jar`

interface Member {
  readonly port: number
  readonly folder: string
  server: ChildProcess
  /** Of its output, what earlier processes of it wrote. */
  told: number
}

export class ActiveMq implements QueueBroker, MortalBroker {
  readonly name: string
  readonly missing = existsSync(JAR) ? null : 'apt-get install activemq'
  readonly #brokers: 1 | 2
  #members: Member[] = []
  /** Who has the lock. */
  #master = 0

  constructor(brokers: 1 | 2 = 1) {
    this.#brokers = brokers
    this.name = brokers === 1 ? 'ActiveMQ Classic' : 'ActiveMQ Classic, master and slave'
  }

  async start(folder: string): Promise<void> {
    for (const [i, port] of (await freePorts(this.#brokers)).entries()) {
      const home = join(folder, `broker-${i}`)
      mkdirSync(home)
      writeFileSync(join(home, 'activemq.xml'), config(port, join(folder, 'kahadb')))
      writeFileSync(join(home, 'log4j.properties'), LOG)
      this.#members.push({ port, folder: home, server: start(home), told: 0 })
      // The first is the master.
      if (i === 0) await listening(port, this.#members[0]!.server, home)
    }
    await this.whole()
  }

  /** One has the lock, and the other one waits for it. */
  async whole(): Promise<void> {
    const { port, server, folder } = this.#members[this.#master]!
    await listening(port, server, folder)
    for (const slave of this.#members) {
      if (slave.port === port) continue
      if (slave.server.signalCode !== null) {
        slave.told = statSync(join(slave.folder, 'output')).size
        slave.server = start(slave.folder)
      }
      while (!readFileSync(join(slave.folder, 'output'), 'latin1').includes(WAITS, slave.told)) await pause(100)
    }
  }

  /** The slave takes over, so the dead one is not started at once: it would be faster than the slave looks for the lock. */
  async kill(): Promise<void> {
    await kill(this.#members[this.#master]!.server)
    this.#master = this.#members.length - 1 - this.#master
  }

  way(queue: string) {
    return Promise.resolve(wayOf(this.#members[this.#master]!, queue))
  }

  ways() {
    return Promise.resolve(this.#members.map(member => wayOf(member, 'bench-kills')))
  }

  roots(): number[] {
    return this.#members.map(({ server }) => server.pid!)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ server }) => end(server)))
  }
}

function start(folder: string): ChildProcess {
  const file = `xbean:file:${join(folder, 'activemq.xml')}`
  const folders = [`-Dactivemq.home=${HOME}`, `-Dactivemq.base=${folder}`, `-Dactivemq.data=${join(folder, 'data')}`]
  const log = `-Dlog4j.configuration=file:${join(folder, 'log4j.properties')}`
  return launch('java', ['-Xms512M', '-Xmx1G', log, ...folders, '-jar', JAR, 'start', file], folder)
}

/** What a slave says, and what makes it say so. */
const WAITS = 'slave mode'
const LOG = `
log4j.rootLogger=WARN, stdout
log4j.logger.org.apache.activemq.store.SharedFileLocker=INFO
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.SimpleLayout
`

const wayOf = ({ port }: Member, queue: string) => ({
  protocol: 'stomp' as const,
  port,
  address: `/queue/${queue}`,
  user: null,
})

const config = (port: number, store: string): string => `
<beans xmlns="http://www.springframework.org/schema/beans"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
  http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <bean class="org.springframework.beans.factory.config.PropertyPlaceholderConfigurer"/>
  <broker xmlns="http://activemq.apache.org/schema/core" useJmx="false" brokerName="bench" dataDirectory="\${activemq.data}">
    <persistenceAdapter>
      <kahaDB directory="${store}" journalDiskSyncStrategy="always"/>
    </persistenceAdapter>
    <systemUsage>
      <systemUsage>
        <memoryUsage><memoryUsage limit="512 mb"/></memoryUsage>
        <storeUsage><storeUsage limit="20 gb"/></storeUsage>
      </systemUsage>
    </systemUsage>
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp+nio://127.0.0.1:${port}"/>
    </transportConnectors>
  </broker>
</beans>
`
