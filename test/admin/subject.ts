// A server as the admin API sees it, made of plain values, for tests.

import type { CodedError } from '../../src/base/errors.ts'
import { measured } from '../../src/admin/metrics.ts'
import type { AdminSubject, Answer, Counters, StatusReport } from '../../src/admin/subject.ts'

export const report: StatusReport = {
  server: 'primary',
  kind: 'FES',
  pairId: 'a1b2',
  role: 'ACTIVE',
  previous: 'ACTIVE SYNC',
  sinceWallMs: 1_000_000,
  because: 'runtime synchronization is complete',
  serving: true,
  peer: {
    role: 'PASSIVE',
    previous: 'PASSIVE SYNC',
    seen: true,
    address: '127.0.0.1:7101',
    connected: true,
    roundTripMs: 0.31,
  },
  epoch: 7,
  lock: {
    path: '/share/LockFile',
    held: true,
    leaseLeftMs: 2400.7,
    record: { seq: 9, epoch: 7, holder: 'primary', inSync: ['primary', 'secondary'], reason: 'join', wallMs: 1 },
    fault: null,
  },
  gateway: { address: '127.0.0.1:7190', reachable: true },
  protected: true,
  unprotected: [],
  position: { epoch: 7, sequence: 1234 },
  committed: 1230,
  peerPosition: { epoch: 7, sequence: 1230, ageMs: 1240 },
  lagRecords: 4,
  lagBytes: 4096,
  sync: null,
  clients: { connections: 3, queues: 2, messages: 10 },
  topics: { sessions: 4, subscriptions: 5, retained: 6, dropped: 7 },
  upkeep: { delayed: 8, expired: 9, deadLettered: 10, held: 11, discarded: 12 },
  blocked: [],
  quarantines: 1,
  vitals: [{ name: 'renewal', worstMs: 2.5, limitMs: 562, ill: false }],
  version: '0.1.0',
  pid: 42,
}

const QUEUE = {
  name: 'orders.eu',
  messages: 4,
  bytes: 400,
  unsettled: 1,
  delayed: 0,
  consumers: 2,
  pagedMessages: 0,
  temporary: false,
}

const SESSION = {
  client: 'sensor 1',
  user: 'ann',
  filters: ['a/+', '$share/g/b'],
  messages: 7,
  bytes: 70,
  unsettled: 0,
  awaySince: 1_700_000_000_000,
  keepMs: null,
  will: false,
}

export class FakeSubject implements AdminSubject {
  report: StatusReport = report
  calls: string[] = []
  /** How wishes are answered; null: never. */
  answerWith: ((done: Answer) => void) | null = done => done(null)
  closedReaders = 0

  readonly access = {
    accounts: () => [{ name: 'ann', groups: ['ops'], from: 'store' as const }],
    grants: () => ({ everyone: [{ actions: ['send' as const], kind: 'queue' as const, pattern: '*' }] }),
    setAccount: (name: string, value: unknown, done: Answer) =>
      this.#wish(`account ${name} ${JSON.stringify(value)}`, done),
    removeAccount: (name: string, done: Answer) => this.#wish(`no account ${name}`, done),
    setGrants: (name: string, value: unknown, done: Answer) =>
      this.#wish(`grants ${name} ${JSON.stringify(value)}`, done),
  }

  readonly addresses = {
    list: () => ({ 'queue/orders.*': { maxDeliveries: 5, deadLetter: 'dead' } }),
    set: (name: string, value: unknown, done: Answer) => this.#wish(`address ${name} ${JSON.stringify(value)}`, done),
    remove: (name: string, done: Answer) => this.#wish(`no address ${name}`, done),
  }

  readonly content = {
    queues: () => [QUEUE, { ...QUEUE, name: 'orders.us', messages: 9 }, { ...QUEUE, name: 'bills', messages: 3 }],
    subscriptions: () => [
      { name: 'app/all', filter: 'a/#', selector: 'x = 1', messages: 1, bytes: 2, unsettled: 0, consumers: 0 },
    ],
    sessions: () => [SESSION],
    purge: (name: string, done: (error: CodedError | null, messages: number) => void) =>
      this.#wish(`purge ${name}`, error => done(error, 5)),
    removeSubscription: (name: string, done: Answer) => this.#wish(`no subscription ${name}`, done),
    endSession: (client: string, done: Answer) => this.#wish(`no session ${client}`, done),
  }

  status = () => this.report
  serving = () => this.report.serving
  events = () => [{ wallMs: 1, kind: 'role' as const, line: 'Primary Server switched to ACTIVE', code: 'A2' }]
  counters = () => Object.fromEntries(Object.keys(measured).map((name, i) => [name, i])) as unknown as Counters
  switchover = (done: Answer) => this.#wish('switchover', done)
  stop = (anyway: boolean, done: Answer) => this.#wish(anyway ? 'stop anyway' : 'stop', done)
  forceActive = (reason: string, done: Answer) => this.#wish(`force ${reason}`, done)
  quarantines = () => [
    { name: 'q 1', from: 5, to: 7, records: 3, bytes: 6, reason: 'diverged', wallMs: 1_700_000_000_000 },
  ]

  openQuarantine(name: string) {
    this.calls.push(`open ${name}`)
    let next = 5
    return {
      next: (
        done: (
          error: Error | null,
          records: { sequence: number; epoch: number; kind: number; body: Uint8Array }[] | null,
        ) => void,
      ) => {
        if (next > 7) return done(null, null)
        done(null, [{ sequence: next, epoch: 3, kind: 16, body: Buffer.from(`b${next++}`) }])
      },
      line: (record: { sequence: number }) => ({ line: record.sequence }),
      close: () => void this.closedReaders++,
    }
  }

  #wish(what: string, done: Answer): void {
    this.calls.push(what)
    this.answerWith?.(done)
  }
}

export const refuse =
  (error: CodedError) =>
  (done: Answer): void =>
    done(error)
