// ActiveMQ Classic from Debian's package for the bench: one broker, KahaDB with its journal synced before each answer.
// Debian packs it without the AMQP connector, so its clients speak STOMP.

import type { ChildProcess } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../../test/support/free-ports.ts'
import { end, launch, listening, type BenchBroker } from './broker.ts'

const HOME = '/usr/share/activemq'
const JAR = `${HOME}/bin/activemq.jar`

export class ActiveMq implements BenchBroker {
  readonly name = 'ActiveMQ Classic'
  readonly missing = existsSync(JAR) ? null : 'apt-get install activemq'
  #server?: ChildProcess
  #port = 0

  async start(folder: string): Promise<void> {
    const [port] = (await freePorts(1)) as [number]
    this.#port = port
    writeFileSync(join(folder, 'activemq.xml'), config(port))
    const file = `xbean:file:${join(folder, 'activemq.xml')}`
    const folders = [`-Dactivemq.home=${HOME}`, `-Dactivemq.base=${folder}`, `-Dactivemq.data=${join(folder, 'data')}`]
    this.#server = launch('java', ['-Xms512M', '-Xmx1G', ...folders, '-jar', JAR, 'start', file], folder)
    await listening(port, this.#server, folder)
  }

  way(queue: string) {
    return Promise.resolve({ protocol: 'stomp' as const, port: this.#port, address: `/queue/${queue}`, user: null })
  }

  roots(): number[] {
    return [this.#server!.pid!]
  }

  stop(): Promise<void> {
    return end(this.#server)
  }
}

const config = (port: number): string => `
<beans xmlns="http://www.springframework.org/schema/beans"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
  http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <bean class="org.springframework.beans.factory.config.PropertyPlaceholderConfigurer"/>
  <broker xmlns="http://activemq.apache.org/schema/core" useJmx="false" brokerName="bench" dataDirectory="\${activemq.data}">
    <persistenceAdapter>
      <kahaDB directory="\${activemq.data}/kahadb" journalDiskSyncStrategy="always"/>
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
