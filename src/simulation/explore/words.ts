// The kinds of events of the exploration, and what a story says of each.

import { LABELS, lengthOf, messages, records, type Message, type Side, type World } from './model.ts'

// prettier-ignore
export const KINDS = [
  'restart', 'connect', 'receive', 'notice', 'executes', 'tells', 'flush', 'look', 'lock', 'release', 'lock lost', 'wake',
  'ping', 'join', 'mark', 'token', 'unbound', 'promise over', 'tired', 'grace', 'patience', 'stalled',
  'op', 'switchover', 'apart', 'break', 'lock runs out', 'crash', 'stop', 'disk', 'snapshot',
] as const
export type Kind = (typeof KINDS)[number]

export interface Choice {
  readonly kind: Kind
  readonly side: Side
  readonly which: number
}

export function describe(world: World, { kind, side, which }: Choice): string {
  const me = LABELS[side]
  const flight = kind === 'executes' ? world.share.flights[which] : undefined
  const record = flight && records.at(flight.record)
  const frame = kind === 'receive' ? messages.at(world.wire.to[side][0] as number) : undefined
  // prettier-ignore
  const words: Readonly<Record<Kind, string>> = {
    restart: `the ${me} is started`, connect: 'the back channel is up', receive: `the ${me} receives ${frame ? show(frame) : ''}`,
    notice: `the ${me} finds the channel broken`, flush: `the ${me}'s disk flushes`, look: `the ${me} looks at the register`,
    executes: `the share executes the append of record ${record?.seq}, ${record?.reason} by the ${me}${flight?.waits === false ? ', who does not wait for it any more' : ''}`,
    tells: `the keeper tells the ${me} what came of its append`, lock: `the ${me} gets the lock`, release: `the ${me} lets the lock go`,
    'lock lost': `the ${me} finds the lock lost`, wake: `the ${me} looks at its clock`, stalled: `the ${me} has waited too long for its follower`, ping: `the ${me} pings, the peer answers`,
    join: `the ${me} finds the follower near`, mark: 'a keeper leaves the mark of its dead broker', token: 'the token of a dead server has been silent long enough',
    unbound: `the promise of the ${me} has run out`, 'promise over': `the ${me} cannot lean on the peer's promise any more`,
    tired: `the ${me} has waited long for the peer to begin`, grace: `startupGrace is over at the ${me}`, patience: `the ${me} loses patience with the handover`,
    op: `a client sends ${String.fromCharCode(97 + world.used.ops)} to the ${me}`, switchover: `switchover at the ${me}`, apart: `for two leases only the peer of the ${me} has reached the LockFile`, break: 'the back channel breaks',
    'lock runs out': `the ${me}'s lease runs out`, crash: `the ${me} crashes`, stop: `the ${me} stops in good order`,
    disk: `the ${me} gets an empty disk`, snapshot: `the ${me} writes a snapshot and drops what is before it`,
  }
  return words[kind]
}

function show(frame: Message): string {
  if (frame.name === 'ROLE') return `ROLE ${frame.role}`
  if (frame.name === 'GREETING') return `GREETING (${frame.state.role})`
  if (frame.name === 'SYNC_BEGIN')
    return `SYNC_BEGIN of epoch ${frame.epoch}, ${frame.how} after ${frame.common.sequence}`
  if (frame.name === 'RECORDS') return `RECORDS ${frame.first} to ${frame.first + lengthOf(frame.text) - 1}`
  return frame.name
}
