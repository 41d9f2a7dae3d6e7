// Runs the interoperability tests of Apache Qpid JMS, which are written for ActiveMQ, against a pair of real processes. Neither
// they nor the client and what it is made of are part of this repository; the client is compiled here:
//
//   npx tsx test/suites/qpid-jms.ts <folder with the checkouts qpid-jms, qpid-proton-j, messaging> [--table] [--only <class>]...
//
// of github.com/apache/qpid-jms, github.com/apache/qpid-proton-j and github.com/jakartaee/messaging, with Debian's packages
// default-jdk-headless, javacc, junit5, libnetty-java, libslf4j-java and libgeronimo-jms-1.1-spec-java. What stands on ActiveMQ in the
// tests is replaced by the classes in qpid-jms/, which ask the pair through the port that is opened here. Prints a line for each
// case and, with --table, the table of docs/interoperability.md. Exit code 1 where a case fails that is not explained in
// qpid-jms-cases.ts.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Listing } from '../../src/admin/content-api.ts'
import type { QueueEntry, SubscriptionEntry } from '../../src/broker/inventory.ts'
import { verifiersOf } from '../../src/cli/password.ts'
import { labels, Running, SuitePair } from './ground.ts'
import { excluded, explained } from './qpid-jms-cases.ts'

const OWN = join(import.meta.dirname, 'qpid-jms')
const JARS = '/usr/share/java'
const JAR_NAMES =
  /^(netty-[a-z-]+|slf4j-api|slf4j-simple|geronimo-jms_1\.1_spec|junit-(jupiter|platform)[a-z-]*|opentest4j|apiguardian-api|picocli)\.jar$/

/** Folders of sources, in the checkouts. */
const SOURCES = [
  'messaging/api/src/main/java',
  'qpid-proton-j/proton-j/src/main/java',
  'qpid-jms/qpid-jms-client/src/main/java',
]
const RESOURCES = ['qpid-proton-j/proton-j/src/main/resources', 'qpid-jms/qpid-jms-client/src/main/resources']
const GRAMMAR = 'qpid-jms/qpid-jms-client/src/main/javacc/SelectorParserImpl.jj'
const TESTS = 'qpid-jms/qpid-jms-interop-tests/qpid-jms-activemq-tests/src/test/java/org/apache/qpid/jms'

const javaFiles = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.java') && !name.endsWith('module-info.java'))
    .map(name => join(folder, name))

function compile(checkouts: string, into: string): string {
  const jars = readdirSync(JARS).filter(name => JAR_NAMES.test(name)).map(name => join(JARS, name)) // prettier-ignore
  const parser = join(into, 'parser')
  const classes = join(into, 'classes')
  mkdirSync(parser)
  mkdirSync(classes)
  execFileSync('javacc', [`-OUTPUT_DIRECTORY=${parser}`, join(checkouts, GRAMMAR)], { stdio: 'ignore' })
  const path = [classes, ...jars].join(':')
  const javac = (files: readonly string[]): void => {
    const { status, stderr } = spawnSync('javac', ['-nowarn', '-d', classes, '-cp', path, ...files], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`javac: ${stderr}`)
  }
  const generated = new Set(readdirSync(parser))
  const client = SOURCES.flatMap(folder => javaFiles(join(checkouts, folder))).filter(
    // Tracing needs a library of its own; the parser was generated above.
    file =>
      !file.includes('/opentracing/') &&
      !(file.includes('/selector/parser/') && generated.has(file.split('/').at(-1)!)),
  )
  javac([...client, ...javaFiles(parser)])
  for (const folder of RESOURCES.filter(each => existsSync(join(checkouts, each))))
    execFileSync('cp', ['-r', `${join(checkouts, folder)}/.`, classes])
  const tests = javaFiles(join(checkouts, TESTS)).filter(file => {
    const name = file.slice(join(checkouts, TESTS).length + 1, -'.java'.length)
    return !excluded.has(name) && !/^(bench|discovery)\//.test(name) && !/^support\/(?!Wait$)/.test(name)
  })
  javac([...tests, ...javaFiles(OWN)])
  return path
}

/** The tests send messages of 10 MiB. */
const LARGE = {
  'limits.messageBytes': 16 * 1024 * 1024,
  'limits.connectionBacklogBytes': 64 * 1024 * 1024,
  'limits.journalSegmentBytes': 64 * 1024 * 1024,
  'limits.journalTailBytes': 64 * 1024 * 1024,
}

/** The accounts and permissions that the tests count on, and the place where dead letters go. */
async function admit({ drill, active }: SuitePair): Promise<void> {
  const put = async (path: string, body: unknown): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${drill.admin[active]}${path}`, {
      method: 'PUT',
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`)
  }
  const everywhere = ['queue', 'topic'] as const
  const may = (queues: string, topics: string) =>
    everywhere.map(kind => ({
      actions: ['send', 'receive', 'create'],
      kind,
      pattern: kind === 'queue' ? queues : topics,
    }))
  const accounts = {
    system: ['manager', 'admins'],
    user: ['password', 'users'],
    guest: ['password', 'guests'],
  } as const
  for (const [name, [password, group]] of Object.entries(accounts))
    await put(`/accounts/${name}`, { groups: [group], ...verifiersOf(password) })
  await put('/permissions/user:anonymous', may('*', '#'))
  await put('/permissions/group:admins', may('*', '#'))
  await put('/permissions/group:users', may('USERS.*', 'USERS/#'))
  await put('/permissions/group:guests', may('GUEST.*', 'GUEST/#'))
  await put('/addresses/queue/*', { deadLetter: 'ActiveMQ.DLQ' })
}

/** What the tests ask of the pair. */
function control(pair: SuitePair): Promise<Server> {
  const { drill } = pair
  const admin = async <T>(path: string, method = 'GET'): Promise<T> => {
    const answer = await fetch(`http://127.0.0.1:${drill.admin[pair.active]}${path}`, { method })
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`)
    return (await answer.json()) as T
  }
  const isRunning = (): boolean => labels.some(label => drill.server(label).running)
  const whole = async (): Promise<void> => {
    for (const label of labels) {
      const server = drill.server(label)
      if (server.running) continue
      await server.gone
      drill.start(label)
    }
    pair.active = await drill.settled()
  }
  const asks: Record<string, (query: string) => Promise<string>> = {
    '/start': async () => (await whole(), ''),
    async '/restart'() {
      const serves = isRunning()
      await whole()
      if (serves) await pair.kill()
      return ''
    },
    async '/stop'() {
      for (const label of labels) if (drill.server(label).running) drill.server(label).signal('both', 'SIGKILL')
      await Promise.all(labels.map(label => drill.server(label).gone))
      return ''
    },
    async '/tidy'() {
      if (!isRunning()) return ''
      const { entries } = await admin<Listing<SubscriptionEntry>>('/subscriptions')
      for (const { name } of entries) await admin(`/subscriptions/${encodeURIComponent(name)}`, 'DELETE')
      await admin('/purge/ActiveMQ.DLQ', 'POST').catch(() => {}) // It may not be there yet.
      return ''
    },
    '/ports': () =>
      Promise.resolve(labels.toSorted(a => (a === pair.active ? -1 : 1)).map(label => drill.amqp[label]).join(' ')), // prettier-ignore
    async '/connections'() {
      const { clients } = await admin<{ clients: { connections: number } }>('/status')
      return String(clients.connections)
    },
    async '/queues'() {
      const { entries } = await admin<Listing<QueueEntry>>('/queues?limit=10000')
      return entries.map(q => `${q.messages} ${q.consumers} ${q.unsettled} ${q.temporary} ${q.name}`).join('\n')
    },
    async '/subscriptions'() {
      const { entries } = await admin<Listing<SubscriptionEntry>>('/subscriptions')
      return entries.map(s => `${s.messages} ${s.consumers} ${s.unsettled} false ${s.name}`).join('\n')
    },
    '/purge': async query => (await admin(`/purge/${query}`, 'POST'), ''),
  }
  const server = createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?')
    void (asks[path]?.(query) ?? Promise.reject(new Error('no such path'))).then(
      text => response.end(text),
      (error: unknown) => {
        response.statusCode = 500
        response.end(String(error))
      },
    )
  })
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}

interface Case {
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'not applicable'
  readonly why: string
}

/** From the report that JUnit's console writes. */
function casesIn(xml: string): Case[] {
  return [
    ...xml.matchAll(/<testcase name="([^"]+)" classname="org\.apache\.qpid\.jms\.([^"]+)"[^>]*>(.*?)<\/testcase>/gs),
  ].map(([, method = '', of = '', inner = '']): Case => {
    const name = `${of}.${method.replace(/\(.*/, '')}`
    const why = /message="([^"]*)"/.exec(inner)?.[1] ?? /<!\[CDATA\[(.*?)\]\]>/s.exec(inner)?.[1]?.split('\n')[0] ?? ''
    if (/<(failure|error)\b/.test(inner)) return { name, outcome: 'failed', why }
    return { name, outcome: /<skipped\b/.test(inner) ? 'not applicable' : 'passed', why }
  })
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { table: { type: 'boolean', default: false }, only: { type: 'string', multiple: true } },
  })
  const [checkouts = ''] = positionals
  if (!existsSync(join(checkouts, TESTS))) {
    console.error('Usage: npx tsx test/suites/qpid-jms.ts <folder with qpid-jms, qpid-proton-j, messaging> [--table]')
    return 2
  }
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-qpid-jms-'))
  let pair: SuitePair | null = null
  let server: Server | null = null
  try {
    const path = compile(checkouts, folder)
    pair = await SuitePair.start(LARGE)
    await admit(pair)
    server = await control(pair)
    const select =
      values.only === undefined
        ? ['--scan-classpath', join(folder, 'classes'), '--include-classname', '.*Tests?$']
        : values.only.map(name => `--select-class=org.apache.qpid.jms.${name}`)
    const words = [
      `-Dlockstep.control=http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      ...['-cp', path, 'org.junit.platform.console.ConsoleLauncher', ...select],
      ...['--reports-dir', folder, '--details=none', '--disable-banner'],
    ]
    const { out, err } = await new Running('java', words).done
    console.error(out, err)
    const cases = casesIn(readFileSync(join(folder, 'TEST-junit-jupiter.xml'), 'utf8'))
    return told(cases, values.table)
  } finally {
    server?.close()
    await pair?.drill.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

function told(cases: readonly Case[], table: boolean): number {
  const unexplained = cases.filter(({ name, outcome }) => outcome === 'failed' && explained(name) === null)
  for (const { name, outcome, why } of cases) console.error(`${name}: ${outcome}${why === '' ? '' : ` (${why})`}`)
  const count = (outcome: Case['outcome']): number => cases.filter(each => each.outcome === outcome).length
  console.error(`${count('passed')} passed, ${count('failed')} failed, ${count('not applicable')} not applicable`)
  if (table) console.log(tableOf(cases))
  return unexplained.length === 0 && cases.length > 0 ? 0 : 1
}

function grouped<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const key = keyOf(one)
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  return groups
}

/** A row for each class: what passed, and what else became of the others. */
function tableOf(cases: readonly Case[]): string {
  const classes = grouped(cases, ({ name }) => name.slice(0, name.lastIndexOf('.')))
  const rows = [...classes]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([of, all]) => {
      const others = all
        .filter(({ outcome }) => outcome !== 'passed')
        .map(({ name, outcome, why }) => {
          const reason = outcome === 'failed' ? (explained(name) ?? '**not explained**') : why.replace(/^[\w.]+: /, '')
          return `${name.slice(of.length + 1)} (${outcome}): ${reason}`
        })
      return `| ${of} | ${all.length - others.length} of ${all.length} | ${others.join('; ')} |`
    })
  return ['| class | passed | others |', '| --- | --- | --- |', ...rows].join('\n')
}

process.exitCode = await main()
