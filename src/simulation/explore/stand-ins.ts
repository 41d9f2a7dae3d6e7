// What the real parts of a server stand on in the exploration: journal, gate, channel, keeper, store and client ports as views
// of the state that a rig is set to. The gate's rules and the keeper's answers are in rig.ts.

import type { ToKeeper } from '../../ha/keeper-link.ts'
import type { Parts } from '../../ha/parts.ts'
import type { CommitMode } from '../../replication/commit-rule.ts'
import { epochsOf } from './leading.ts'
import { entry, lengthOf, positionOf, REIGN_BEGINS, upTo, type Message } from './model.ts'
import { LEASE, MARGIN, NOW, type Ground } from './ground.ts'

export function partsOf(rig: Ground, clock: Parts['clock']): Parts {
  const { bounds } = rig
  const flushed = () => positionOf(upTo(rig.s.log, rig.s.flushed))
  const parts = {
    label: rig.label,
    kind: 'FES',
    lockFile: 'LockFile',
    get intervals() {
      return { leaseMs: LEASE, marginMs: MARGIN, pingMs: 1, operationMs: 1, graceMs: rig.s.grace ? 0 : Infinity }
    },
    clock,
    chance: { id: () => 'pair' },
    say: (_: string, text: string) => rig.say(text),
    keeper: { send: (message: ToKeeper) => rig.toKeeper(message) },
    channel: {
      send: (frame: Message) => rig.send(frame),
      get isUp() {
        return rig.s.sees
      },
      get lastAnswered() {
        const following = bounds.clocks === 'none' || rig.without === 'promise' ? rig.s.epoch : rig.s.promised
        return following === 0 ? null : { sentAt: NOW, sentWall: 0, following }
      },
      ping: () => {},
      refuse: (code: string) => rig.peerFailed(code),
    },
    store: {
      get storeId() {
        return rig.storeId
      },
      get pairId() {
        return rig.s.pair ? 'pair' : ''
      },
      get mk() {
        return rig.muted ? 0 : rig.s.mk
      },
      get dirty() {
        return rig.s.dirty
      },
      knew: (seq: number) => void (rig.s.mk = Math.max(rig.s.mk, seq)),
      setDirty: (dirty: boolean) => void (rig.s.dirty = dirty),
      belongTo: () => void (rig.s.pair = true),
    },
    journal: {
      get last() {
        return rig.muted ? { ...positionOf(rig.s.log), sequence: 0 } : positionOf(rig.s.log)
      },
      get flushed() {
        return flushed()
      },
      get start() {
        return positionOf(upTo(rig.s.log, rig.s.start))
      },
      get epochs() {
        return epochsOf(rig.s.log)
      },
      beginEpoch: () => {},
    },
    gate: {
      get committed() {
        return rig.muted ? rig.driven : rig.s.committed
      },
      get mode() {
        return rig.s.mode
      },
      setMode: (mode: CommitMode) => rig.gate.setMode(mode),
      beginReign: (epoch: number, applied: number) => rig.gate.beginReign(epoch, applied),
      endReign: () => {
        const { s } = rig
        s.mode = 'frozen'
        s.gateEpoch = 0
        const end = { committed: s.committed, pending: lengthOf(s.log) > s.committed }
        s.committed = 0
        return end
      },
      append: () => rig.gate.append(entry(rig.s.gateEpoch, REIGN_BEGINS)),
    },
    get grounds() {
      return rig.gate.grounds
    },
    receiver: rig.receiver,
    service: {
      open: () => rig.muted || (rig.s.service = 'open'),
      pause: (paused: boolean) => rig.muted || (rig.s.service = paused ? 'paused' : 'open'),
      close: () => {
        const stays = rig.without === 'frozen offer' && rig.handover.isOffered
        if (!rig.muted && !stays) rig.s.service = 'closed'
      },
    },
  }
  return parts as unknown as Parts
}
