// Two (or more) servers with a back channel each over a network in memory, and what happened to them as lines of text.

import { BackChannel } from '../../src/replication/back-channel.ts'
import type { BackChannelOptions } from '../../src/replication/back-channel.ts'
import type { Frame, ServerLabel } from '../../src/replication/frames.ts'
import { seededChance } from './chance.ts'
import { MemoryNetwork } from './memory-transport.ts'
import { VirtualClock, VirtualHost } from './virtual-clock.ts'

export const PING_MS = 200
export const SILENCE_MS = 500

export class ChannelNode {
  readonly channel: BackChannel
  readonly host: VirtualHost
  readonly news: string[] = []
  readonly frames: Frame[] = []
  readonly log: string[] = []
  epoch = 0

  constructor(
    world: ChannelWorld,
    name: string,
    peer: string,
    label: ServerLabel,
    options: Partial<BackChannelOptions>,
  ) {
    this.host = new VirtualHost(world.clock)
    world.network.hosts.set(name, this.host)
    const chance = seededChance(`${name} ${world.started++}`)
    this.channel = new BackChannel(
      {
        label,
        instance: chance.id(),
        secret: 'the secret of the pair',
        pingMs: PING_MS,
        silenceMs: SILENCE_MS,
        stuckBytes: 10_000,
        bufferedBytes: 100_000,
        ...options,
      },
      {
        transport: world.network.transport(name, peer),
        clock: this.host,
        chance,
        log: (level, line) => void this.log.push(`${level} ${line}`),
      },
    )
    this.channel.following = () => this.epoch
    this.channel.onUp = () => void this.news.push('up')
    this.channel.onDown = why => void this.news.push(`down: ${why}`)
    this.channel.onFrame = frame => {
      if (frame.name !== 'PING') this.frames.push(frame)
    }
    this.channel.start()
  }

  get ups(): number {
    return this.news.filter(line => line === 'up').length
  }

  said(pattern: RegExp): string[] {
    return this.log.filter(line => pattern.test(line))
  }
}

export class ChannelWorld {
  readonly clock = new VirtualClock()
  readonly network = new MemoryNetwork()
  started = 0

  node(name: 'P' | 'S' | 'X', options: Partial<BackChannelOptions> = {}): ChannelNode {
    const label = options.label ?? (name === 'P' ? 'primary' : 'secondary')
    return new ChannelNode(this, name, name === 'P' ? 'S' : 'P', label, options)
  }

  pair(): [ChannelNode, ChannelNode] {
    return [this.node('P'), this.node('S')]
  }

  bothUp(p: ChannelNode, s: ChannelNode, limitMs = 10_000): boolean {
    return this.clock.until(() => p.channel.isUp && s.channel.isUp && this.network.alive().length === 2, limitMs)
  }

  /** Proof that both speak over the same connection: a frame of each arrives at the other. */
  talk(p: ChannelNode, s: ChannelNode): boolean {
    const before = [p.frames.length, s.frames.length] as const
    p.channel.send({ name: 'JOINED', epoch: 7, recordSeq: 1 })
    s.channel.send({ name: 'JOINED', epoch: 8, recordSeq: 2 })
    this.clock.advance(2 * this.network.latencyMs + 1)
    return p.frames.length === before[0] + 1 && s.frames.length === before[1] + 1
  }
}
