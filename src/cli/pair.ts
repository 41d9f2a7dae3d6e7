// lockstep pair: a primary, a secondary and a gateway responder on this machine, in one terminal. For trying out and for
// drills: one server can be ended and started again from another terminal while the other goes on.

import { existsSync, mkdirSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandModule } from 'yargs'
import type { KeyName } from '../profiles/keys.ts'
import { checkPair } from '../profiles/pair.ts'
import type { Profile } from '../profiles/profile.ts'
import type { ProfileReading } from '../profiles/read.ts'
import { ports } from '../profiles/rules.ts'
import { readProfileFolder } from '../server/profile-files.ts'
import { tryPort } from '../server/try-port.ts'
import { isServing, startChild, type ServerChild } from './child.ts'
import { cliError, CommandFailed, EXIT, failed } from './errors.ts'
import { keepGateway } from './pair-gateway.ts'
import { fielded, prefixed } from './prefix.ts'
import { onStopSignals } from '../server/signals.ts'
import { PRODUCT } from './target.ts'

interface PairArgs {
  haprofile: string
  kind: 'FES' | 'FPS'
  set: string[]
  data?: string
  logFormat: 'human' | 'json'
}

const LABELS = ['primary', 'secondary'] as const
/** After this a graceful stop is called slow, and how to end it is said. */
const SLOW_STOP_MS = 10_000
/** How often it is looked whether servers of other terminals still run. */
const LOOK_MS = 1000

export const pair: CommandModule<{}, PairArgs> = {
  command: 'pair [haprofile]',
  describe: 'runs both servers of a pair and a gateway responder on this machine',
  builder: yargs =>
    yargs
      .positional('haprofile', {
        type: 'string',
        default: 'haprofile1',
        describe: 'a shipped pair, or a folder with primary/<kind> and secondary/<kind>',
      })
      .option('kind', { choices: ['FES', 'FPS'] as const, default: 'FES' as const, describe: 'kind of the servers' })
      .option('set', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [] as string[],
        describe: 'key=value for both servers',
      })
      .option('data', { nargs: 1, type: 'string', describe: 'folder for data and LockFile, in place of var/' })
      .option('log-format', {
        choices: ['human', 'json'] as const,
        default: 'human' as const,
        describe: 'json: one object a line, with who says it in the field from',
      }) as never,
  async handler(args) {
    const plans = LABELS.map(label => plan(label, args))
    judge(plans)
    for (const { profile, shown } of plans) await needFreePorts(profile, shown)
    // What --data names is on this machine, unlike the folder of a LockFile in general.
    if (args.data !== undefined) mkdirSync(dirname((plans[0] as Plan).profile.lockFile), { recursive: true })
    process.exitCode = await run(plans, args)
  },
}

interface Plan {
  readonly label: (typeof LABELS)[number]
  readonly folder: string
  /** The folder as the operator would write it here. */
  readonly shown: string
  readonly sets: readonly string[]
  readonly reading: ProfileReading
  readonly profile: Profile
}

function plan(label: (typeof LABELS)[number], args: PairArgs): Plan {
  const place = `${basename(args.haprofile)}/${label}/${args.kind}`
  const named = resolve(args.haprofile, label, args.kind)
  const folder = existsSync(named) ? named : join(PRODUCT, 'profiles', args.haprofile, label, args.kind)
  const from = relative(process.cwd(), folder)
  const shown = from.startsWith('..') ? folder : from
  const under = args.data === undefined ? [] : dataSets(args.data, place, `${basename(args.haprofile)}/${args.kind}`)
  const sets = [...under, ...args.set]
  const reading = readProfileFolder(shown, sets)
  if (reading.list.faults.some(f => f.error.code === 'PROFILE-NO-FILE'))
    throw failed(cliError('NO-PAIR', { name: args.haprofile, kind: args.kind, folder: shown }), EXIT.usage)
  return { label, folder, shown, sets, reading, profile: reading.profile as Profile }
}

const dataSets = (data: string, place: string, pairPlace: string): string[] => [
  `dataDirectory=${resolve(data, place)}`,
  `lockFile=${resolve(data, 'lock', pairPlace, 'LockFile')}`,
]

/** Both alone and as a pair, before anything is opened. */
function judge(plans: readonly Plan[]): void {
  const [a, b] = plans as [Plan, Plan]
  const lists = [a.reading.list, b.reading.list, checkPair(a.reading, b.reading)]
  const lines = lists.flatMap(list => list.all).map(f => f.error.line())
  if (lists.some(list => list.faults.length > 0)) throw new CommandFailed(EXIT.usage, lines)
  for (const line of lines) process.stderr.write(`warning ${line}\n`)
}

/** Says which port of which profile another program has, instead of a server that ends with a stack of errors. */
async function needFreePorts(profile: Profile, shown: string): Promise<void> {
  for (const { key, host, port } of ownPorts(profile)) {
    if ((await tryPort(host, port)) === null) continue
    const how = `edit ${shown}/profile.yaml, and what names it in the other profile`
    throw failed(cliError('PORT-TAKEN', { host, port, key, profile: shown, how }))
  }
}

const ownPorts = (p: Profile): { key: KeyName; host: string; port: number }[] => {
  const { amqp, mqtt } = p.listeners
  const values = {
    host: p.host,
    port: p.port,
    rmiServerPort: p.rmiServerPort,
    'admin.host': p.admin.host,
    'listeners.amqp.host': amqp.host,
    'listeners.amqp.port': amqp.port,
    'listeners.amqp.tls.port': amqp.tls.port,
    'listeners.amqp.ws.port': amqp.ws.port,
    'listeners.amqp.wss.port': amqp.wss.port,
    'listeners.mqtt.host': mqtt.host,
    'listeners.mqtt.port': mqtt.port,
    'listeners.mqtt.tls.port': mqtt.tls.port,
    'listeners.mqtt.ws.port': mqtt.ws.port,
    'listeners.mqtt.wss.port': mqtt.wss.port,
  }
  return ports(values).filter(entry => entry.own)
}

async function run(plans: readonly Plan[], args: PairArgs): Promise<number> {
  const printer = printerFor(args.logFormat)
  const say = printer('pair', 33)
  const gateway = await keepGateway((plans[0] as Plan).profile, printer('gateway', 35))
  for (const line of welcome(plans)) say(line)
  const children = plans.map(({ label, folder, sets }, i) => {
    const rest = [...sets.flatMap(set => ['--set', set]), '--log-format', args.logFormat]
    return startChild(label, folder, rest, printer(label, i === 0 ? 36 : 32))
  })
  // However this process ends, unless it is killed (then the children see their pipe end): nothing stays behind.
  const last = () => children.forEach(child => child.running && child.kill())
  process.once('exit', last)
  let stopping: Promise<void> | null = null
  const deaf = onStopSignals(
    () => {
      say(children.some(c => c.running) ? 'Stopping both servers; Ctrl-C again kills them.' : 'Ends.')
      stopping = stopAll(children, say)
    },
    () => children.forEach(child => child.running && child.kill()),
  )
  // Nobody reads any more: as Ctrl-C.
  process.stdout.on('error', () => {
    if (stopping === null) process.kill(process.pid, 'SIGTERM')
  })
  const codes = await Promise.all(
    children.map(async (child, i) => {
      const { code, signal } = await child.exit
      // Killed or crashed: none of its own.
      const exit = code ?? EXIT.failed
      const how = signal ?? `exit code ${code}`
      if (stopping !== null) {
        say(`The ${child.label} server has stopped${exit === EXIT.done ? '' : ` (${how})`}.`)
        return exit
      }
      const others = children.filter(c => c.running)
      say(`The ${child.label} server has ended (${how}).`)
      if (others.length > 0)
        say(
          `The ${others[0]?.label} server goes on. To start the other again, in another terminal: ${again(plans[i] as Plan)}`,
        )
      return exit
    }),
  )
  // Servers that were started again in other terminals need the gateway: without it none of them takes over.
  const asked = () => (stopping as Promise<void> | null) !== null
  for (let told = false; !asked() && (await anyAnswers(plans)); await pause(LOOK_MS)) {
    if (!told) say('The gateway responder goes on for what was started in other terminals; Ctrl-C ends it.')
    told = true
  }
  if (!asked()) say('No server of this pair runs any more: the gateway responder ends, too.')
  // Set by a signal meanwhile, which the compiler does not see.
  await (stopping as Promise<void> | null)
  deaf()
  process.off('exit', last)
  gateway.close()
  return Math.max(...codes)
}

/** Whether a server of this pair runs, wherever it was started. Only connects: a port that is tried by opening it is taken. */
async function anyAnswers(plans: readonly Plan[]): Promise<boolean> {
  const { TcpPing } = await import('../server/tcp-ping.ts')
  const answers = plans.map(({ profile: { admin, rmiServerPort: port } }) => {
    const ping = new TcpPing({ host: admin.host, port })
    return new Promise<boolean>(resolve => ping.ping(LOOK_MS, resolve))
  })
  return (await Promise.all(answers)).includes(true)
}

/** The one that does not serve first: the other one then stops as a server that is alone in sync, without a handover. */
async function stopAll(children: readonly ServerChild[], say: (line: string) => void): Promise<void> {
  for (const child of [...children].sort((a, b) => Number(isServing(a)) - Number(isServing(b)))) {
    if (!child.running) continue
    const slow = setTimeout(() => say(`The ${child.label} server is still stopping; Ctrl-C kills it.`), SLOW_STOP_MS)
    child.stop()
    await child.exit
    clearTimeout(slow)
  }
}

const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

const again = ({ shown, sets }: Plan): string =>
  ['node bin/lockstep.mjs start', quoted(shown), ...sets.map(set => `--set ${quoted(set)}`)].join(' ')

/** Null where clients of this protocol are not served. */
function addressOf(
  protocol: 'amqp' | 'mqtt',
  { host, port, tls }: { host: string; port: number | null; tls: { port: number | null } },
): string | null {
  if (port !== null) return `${protocol}://${host}:${port}`
  return tls.port === null ? null : `${protocol}s://${host}:${tls.port}`
}

function welcome(plans: readonly Plan[]): string[] {
  const [a, b] = plans as [Plan, Plan]
  const [amqp, mqtt] = (['amqp', 'mqtt'] as const).map(protocol =>
    plans
      .map(({ profile: { listeners } }) => addressOf(protocol, listeners[protocol]))
      .filter(address => address !== null)
      .join(' and '),
  )
  const both = [amqp, mqtt].filter(addresses => addresses !== '').join(', or to ')
  return [
    `Clients connect to ${both}; one of the two serves, clients try both.`,
    `Status: npx lockstep status ${quoted(a.shown)}   (admin API: http://${a.profile.admin.host}:${a.profile.rmiServerPort} and :${b.profile.rmiServerPort})`,
    `Hand over: npx lockstep switchover ${quoted(a.shown)}   Ctrl-C stops everything.`,
  ]
}

function printerFor(logFormat: PairArgs['logFormat']): (name: string, colour: number) => (line: string) => void {
  const colours = process.stdout.isTTY && process.env['NO_COLOR'] === undefined
  return (name, colour) => {
    const shown = logFormat === 'json' ? fielded(name, () => new Date()) : prefixed(name, colours ? colour : null)
    return line => void process.stdout.write(`${shown(line)}\n`)
  }
}
