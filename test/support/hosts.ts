// Hosts with a network, mounts and a name of their own on this machine (namespaces), on one switch whose links can be cut
// (one way too), silenced without a word to either end, and slowed. Nothing has a name that could clash or be left behind:
// each namespace lives as long as the process that keeps it, and that one dies with this one, however it dies.
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, readlinkSync } from 'node:fs'

/** Words in front of a command: it dies with this process, however that ends. */
export const DIES_WITH_US = ['setpriv', '--pdeathsig', 'KILL']
const PROGRAMS = ['setpriv', 'unshare', 'nsenter', 'ip', 'tc', 'nft', 'ss']

/** Why hosts cannot be made here, in words; null where they can. */
export function whyNoHosts(programs: readonly string[] = []): string | null {
  if (process.platform !== 'linux') return 'this is not Linux'
  if (process.geteuid?.() !== 0) return 'it needs root'
  for (const program of [...PROGRAMS, ...programs])
    if (spawnSync('sh', ['-c', `command -v ${program}`], { env: PATH_OF_ROOT }).status !== 0)
      return `there is no ${program}`
  const attempt = spawnSync('unshare', ['--net', '--mount', '--uts', 'sh', '-c', TRY], { env: PATH_OF_ROOT })
  return attempt.status === 0 ? null : `the kernel refuses: ${attempt.stderr.toString().trim().split('\n')[0]}`
}

const PATH_OF_ROOT = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
const TRY = 'ip link add br0 type bridge && ip link add one type veth peer name two && nft add table bridge hosts'

/** Frames from one port to another, and TCP connections by their ends, that are dropped. */
const RULES = `table bridge hosts {
  set cut { typeof iifname . oifname; }
  set silent { typeof ip saddr . tcp sport . ip daddr . tcp dport; }
  chain cuts {
    type filter hook forward priority 0; policy accept;
    iifname . oifname @cut drop
    ip saddr . tcp sport . ip daddr . tcp dport @silent drop
  }
}`

export class Host {
  readonly name: string
  readonly address: string
  readonly #keeper: ChildProcess
  readonly #children: ChildProcess[] = []

  constructor(name: string, address: string) {
    this.name = name
    this.address = address
    const words = [
      ...DIES_WITH_US,
      'unshare',
      '--net',
      '--mount',
      '--uts',
      '--propagation',
      'private',
      'sleep',
      'infinity',
    ]
    this.#keeper = spawn(words[0] as string, words.slice(1), { stdio: 'ignore', env: PATH_OF_ROOT })
  }

  get pid(): number {
    return this.#keeper.pid ?? 0
  }

  /** Words in front of a command that run it on this host, as the same process. */
  get within(): string[] {
    return [...DIES_WITH_US, 'nsenter', '-t', String(this.pid), '-n', '-m', '-u']
  }

  sh(command: string, input = ''): string {
    const words = [...this.within, 'sh', '-c', command]
    return execFileSync(words[0] as string, words.slice(1), { encoding: 'utf8', input, env: PATH_OF_ROOT })
  }

  /** Ends with the host. */
  spawn(argv: readonly string[]): ChildProcess {
    const words = [...this.within, ...argv]
    const child = spawn(words[0] as string, words.slice(1), { stdio: ['pipe', 'pipe', 'inherit'], env: PATH_OF_ROOT })
    this.#children.push(child)
    return child
  }

  /** Resolves when its namespaces are its own. */
  async ready(): Promise<void> {
    const own = (kind: string) => readlinkSync(`/proc/${this.pid}/ns/${kind}`) !== readlinkSync(`/proc/self/ns/${kind}`)
    while (!(existsSync(`/proc/${this.pid}`) && own('net') && own('mnt') && own('uts')))
      await new Promise(resolve => setTimeout(resolve, 5))
  }

  async end(): Promise<void> {
    await Promise.all([...this.#children, this.#keeper].map(killed))
  }
}

const killed = (child: ChildProcess): Promise<void> =>
  new Promise(resolve => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })

export class Network {
  readonly #switch = new Host('switch', '')
  readonly hosts: Readonly<Record<string, Host>>

  private constructor(names: readonly string[]) {
    this.hosts = Object.fromEntries(names.map((name, i) => [name, new Host(name, `10.78.0.${i + 1}`)]))
  }

  /** A switch with a host for each name. */
  static async of(names: readonly string[]): Promise<Network> {
    const network = new Network(names)
    try {
      await network.#wire()
    } catch (error) {
      await network.end()
      throw error
    }
    return network
  }

  async #wire(): Promise<void> {
    await this.#switch.ready()
    this.#switch.sh('ip link add br0 type bridge forward_delay 0 mcast_snooping 0 && ip link set br0 up')
    this.#switch.sh('nft -f -', RULES)
    for (const host of Object.values(this.hosts)) {
      await host.ready()
      this.#switch.sh(
        `ip link add p${host.name} type veth peer name eth0 netns ${host.pid} && ip link set p${host.name} master br0 up`,
      )
      host.sh(
        `hostname host-${host.name} && ip link set lo up && ip addr add ${host.address}/24 dev eth0 && ip link set eth0 up`,
      )
      // A connection that was cut goes on soon after healing, not minutes later (older kernels cannot be told so), and
      // is given up only by who uses it.
      host.sh('cd /proc/sys/net/ipv4; echo 255 >tcp_retries2; echo 1000 2>/dev/null >tcp_rto_max_ms || true')
    }
  }

  /** Frames from one host to another are lost; those of the other direction come through. */
  cutOneWay(from: string, to: string): void {
    this.#switch.sh(`nft add element bridge hosts cut '{ "p${from}" . "p${to}" }'`)
  }

  cut(x: string, y: string): void {
    this.cutOneWay(x, y)
    this.cutOneWay(y, x)
  }

  /** The cable is pulled: the host's own card notices nothing. */
  unplug(name: string): void {
    for (const other of Object.keys(this.hosts)) if (other !== name) this.cut(name, other)
  }

  /**
   * The connections between two hosts that are open now are dead, and neither end hears of it; new ones come through. As
   * when a firewall in between has lost its table. Gives their number.
   */
  halfOpen(x: string, y: string): number {
    const peer = this.hosts[y]!.address
    const lines = this.hosts[x]!.sh(`ss -Htn state established dst ${peer}`).trim().split('\n').filter(Boolean)
    for (const line of lines) {
      const [from, to] = line
        .trim()
        .split(/\s+/)
        .slice(-2)
        .map(end => end.replace(':', ' . ')) as [string, string]
      this.#switch.sh(`nft add element bridge hosts silent '{ ${from} . ${to}, ${to} . ${from} }'`)
    }
    return lines.length
  }

  /** What a host sends and gets passes at this rate, and waits for its turn up to `queueMs`, then is lost. */
  slow(name: string, kbitPerSecond: number, queueMs: number): void {
    const words = `root tbf rate ${kbitPerSecond}kbit burst 16kb latency ${queueMs}ms`
    this.#switch.sh(`tc qdisc replace dev p${name} ${words}`)
    this.hosts[name]!.sh(`tc qdisc replace dev eth0 ${words}`)
  }

  heal(): void {
    this.#switch.sh('nft flush set bridge hosts cut; nft flush set bridge hosts silent')
    for (const host of Object.values(this.hosts)) {
      this.#switch.sh(`tc qdisc del dev p${host.name} root 2>/dev/null || true`)
      host.sh('tc qdisc del dev eth0 root 2>/dev/null || true')
    }
  }

  async end(): Promise<void> {
    await Promise.all([this.#switch, ...Object.values(this.hosts)].map(host => host.end()))
  }
}
