// The admin API as a table from request to answer, without a server: node:http is in src/server/admin-http.ts, which
// reads bounded requests and writes what comes from here.

import { createHash, timingSafeEqual } from 'node:crypto'
import { CodedError } from '../base/errors.ts'
import { setAccount, setAddress, setGrants } from './access-api.ts'
import { ADMIN_STATUS, adminError, type AdminErrorName } from './errors.ts'
import { queueList, sessionList, subscriptionList } from './content-api.ts'
import { metricsText } from './metrics.ts'
import type { AdminSubject, Answer, QuarantineReader } from './subject.ts'

export interface AdminRequest {
  readonly method: string
  /** Path with query, as it came. */
  readonly target: string
  readonly authorization: string
  readonly origin: string
  readonly host: string
  /** The client's address is this machine's loopback. */
  readonly fromLoopback: boolean
  readonly body: Uint8Array
}

export interface AdminReply {
  readonly status: number
  readonly type: string
  readonly body: string
  /** Instead of a body: a quarantine to be written batch by batch. */
  readonly download?: { readonly reader: QuarantineReader; readonly form: 'jsonl' | 'binary' }
}

type Reply = (reply: AdminReply) => void

interface Call {
  readonly request: AdminRequest
  readonly query: URLSearchParams
  /** What stands in the place of `*` in the path. */
  readonly name: string
}

interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly meaning: string
  readonly answer: (subject: AdminSubject, call: Call, reply: Reply) => void
}

const json = (status: number, body: unknown): AdminReply => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(body)}\n`,
})

const failure = (error: CodedError): AdminReply => {
  const status = error.code.startsWith('ADMIN-') ? ADMIN_STATUS[error.code.slice(6) as AdminErrorName] : 409
  return json(status, { code: error.code, message: error.message, remedy: error.remedy })
}

const yesNo = (yes: boolean, words: string): AdminReply => json(yes ? 200 : 503, { [words]: yes })

/** A wish of the operator; answered once, whatever the server does. */
const wish = (reply: Reply, ask: (done: Answer) => void): void => {
  let answered = false
  ask(error => {
    if (answered) return
    answered = true
    reply(error === null ? json(200, { done: true }) : failure(error))
  })
}

/** `?name`, `?name=true`. */
const isSet = (query: URLSearchParams, name: string): boolean => ['', 'true'].includes(query.get(name) ?? 'false')

// prettier-ignore
export const routes: readonly Route[] = [
  { method: 'GET',  path: '/health/live',   meaning: '200 while the broker process answers', answer: (_, __, reply) => reply(json(200, { live: true })) },
  { method: 'GET',  path: '/health/ready',  meaning: '200 while this server serves (ACTIVE, STANDALONE, ACTIVE SYNC) or could take over at once (PASSIVE)', answer: (s, _, reply) => reply(yesNo(ready(s), 'ready')) },
  { method: 'GET',  path: '/health/active', meaning: '200 only while this server serves clients; for load balancers', answer: (s, _, reply) => reply(yesNo(s.serving(), 'active')) },
  { method: 'GET',  path: '/status',        meaning: 'role, peer, epoch, lock, in-sync set, positions, what blocks', answer: (s, _, reply) => reply(json(200, s.status())) },
  { method: 'GET',  path: '/events',        meaning: 'recent changes with their reasons, newest last', answer: (s, _, reply) => reply(json(200, s.events())) },
  { method: 'GET',  path: '/metrics',       meaning: 'metrics in Prometheus text', answer: (s, _, reply) => reply({ status: 200, type: 'text/plain; version=0.0.4', body: metricsText(s.status(), s.counters()) }) },
  { method: 'POST', path: '/switchover',    meaning: 'hands over to the passive server', answer: (s, _, reply) => wish(reply, done => s.switchover(done)) },
  { method: 'POST', path: '/stop',          meaning: 'graceful stop; an active server with a passive one hands over first; refused where that would end the service, but for ?anyway', answer: (s, c, reply) => wish(reply, done => s.stop(isSet(c.query, 'anyway'), done)) },
  { method: 'POST', path: '/force-active',  meaning: '{"acceptLoss": true, "reason": "..."}: operator override; audited', answer: forceActive },
  { method: 'GET',  path: '/accounts',      meaning: 'accounts with their groups; passwords are not told', answer: (s, _, reply) => reply(json(200, s.access.accounts())) },
  { method: 'PUT',  path: '/accounts/*',    meaning: 'makes an account or changes it: groups, what is kept of its password', answer: (s, c, reply) => wish(reply, done => setAccount(s, c.name, c.request.body, done)) },
  { method: 'DELETE', path: '/accounts/*',  meaning: 'removes an account', answer: (s, c, reply) => wish(reply, done => s.access.removeAccount(c.name, done)) },
  { method: 'GET',  path: '/permissions',   meaning: 'all permissions, by subject', answer: (s, _, reply) => reply(json(200, s.access.grants())) },
  { method: 'PUT',  path: '/permissions/*', meaning: 'the permissions of user:<name>, group:<name> or everyone, in place of those it had', answer: (s, c, reply) => wish(reply, done => setGrants(s, c.name, c.request.body, done)) },
  { method: 'GET',  path: '/addresses',     meaning: 'what is settled for queues and topics, by pattern', answer: (s, _, reply) => reply(json(200, s.addresses.list())) },
  { method: 'PUT',  path: '/addresses/*',   meaning: 'the settings of queue/<pattern> or topic/<filter>, in place of those it had', answer: (s, c, reply) => wish(reply, done => setAddress(s, c.name, c.request.body, done)) },
  { method: 'DELETE', path: '/addresses/*', meaning: 'takes them away', answer: (s, c, reply) => wish(reply, done => s.addresses.remove(c.name, done)) },
  { method: 'GET',  path: '/queues',        meaning: 'queues with what is in them, the fullest first; `?match=orders.*`, `?limit=10`', answer: (s, c, reply) => reply(json(200, queueList(s, c.query))) },
  { method: 'GET',  path: '/subscriptions', meaning: 'durable subscriptions to topics, the same', answer: (s, c, reply) => reply(json(200, subscriptionList(s, c.query))) },
  { method: 'GET',  path: '/sessions',      meaning: 'MQTT sessions that outlive their connections or have a will, the same', answer: (s, c, reply) => reply(json(200, sessionList(s, c.query))) },
  { method: 'POST', path: '/purge/*',       meaning: 'takes out of the queue of this name what is in it and no consumer has; says how many messages', answer: purge },
  { method: 'DELETE', path: '/subscriptions/*', meaning: 'takes a durable subscription away with all in it', answer: (s, c, reply) => wish(reply, done => s.content.removeSubscription(c.name, done)) },
  { method: 'DELETE', path: '/sessions/*',  meaning: 'ends the session of the MQTT client of this identifier, with all in it; it loses its connection', answer: (s, c, reply) => wish(reply, done => s.content.endSession(c.name, done)) },
  { method: 'GET',  path: '/quarantine',    meaning: 'what was put aside', answer: (s, _, reply) => reply(json(200, s.quarantines())) },
  { method: 'GET',  path: '/quarantine/*',  meaning: 'its records as JSON lines, messages with queue, body and text; with ?form=binary each record’s bytes behind their length in 4 bytes', answer: download },
]

const ready = (subject: AdminSubject): boolean => subject.serving() || subject.status().role === 'PASSIVE'

function purge({ content }: AdminSubject, { name }: Call, reply: Reply): void {
  content.purge(name, (error, messages) => reply(error === null ? json(200, { done: true, messages }) : failure(error)))
}

const FORCE_FORM = '{"acceptLoss": true, "reason": "<why, at least 3 characters>"}'
const REASON_CHARACTERS = 1000

function forceActive(subject: AdminSubject, call: Call, reply: Reply): void {
  const wrong = (problem: string) => reply(failure(adminError('BODY', { problem, form: FORCE_FORM })))
  let body: unknown
  try {
    body = JSON.parse(Buffer.from(call.request.body).toString('utf8'))
  } catch {
    return wrong('it is not JSON')
  }
  const { acceptLoss, reason } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  if (acceptLoss !== true) return wrong('acceptLoss must be true: data that only the other server has may be lost')
  if (typeof reason !== 'string' || reason.trim().length < 3) return wrong('a reason is missing')
  if (reason.length > REASON_CHARACTERS) return wrong(`the reason is longer than ${REASON_CHARACTERS} characters`)
  wish(reply, done => subject.forceActive(reason.trim(), done))
}

function download(subject: AdminSubject, call: Call, reply: Reply): void {
  const form = call.query.get('form') === 'binary' ? 'binary' : 'jsonl'
  // Only names that the server itself lists: nothing of the path reaches the disk unchecked.
  const known = subject.quarantines().some(q => q.name === call.name)
  const reader = known ? subject.openQuarantine(call.name) : null
  if (reader === null) return reply(failure(adminError('NO-SUCH-QUARANTINE', { name: call.name.slice(0, 100) })))
  const type = form === 'binary' ? 'application/octet-stream' : 'application/x-ndjson'
  reply({ status: 200, type, body: '', download: { reader, form } })
}

/** Answers one request, in this turn or later, exactly once. `token`: security.adminToken. */
export function answerAdmin(subject: AdminSubject, request: AdminRequest, token: string | null, reply: Reply): void {
  const denied = refuseStranger(request, token)
  if (denied !== null) return reply(failure(denied))
  const [path = '', search = ''] = request.target.split('?', 2)
  const matching = routes.filter(route => nameIn(route.path, path) !== null)
  // Load balancers ask so; the body is left out where it would be written.
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = matching.find(r => r.method === method)
  if (route === undefined) {
    const shown = path.slice(0, 100)
    if (matching.length === 0) return reply(failure(adminError('NO-SUCH-PATH', { path: shown })))
    const allowed = matching.map(r => r.method).join(' or ')
    return reply(failure(adminError('METHOD', { path: shown, method: request.method, allowed })))
  }
  const name = nameIn(route.path, path) as string
  try {
    route.answer(subject, { request, query: new URLSearchParams(search), name }, reply)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    reply(failure(error))
  }
}

function refuseStranger(request: AdminRequest, token: string | null): CodedError | null {
  // A page in a browser on this machine must not stop a server; nor a name that was bent to point at it.
  if (request.origin !== '') return adminError('ORIGIN')
  const given = /^Bearer +(\S+)$/i.exec(request.authorization)?.[1]
  if (given !== undefined && token !== null && sameSecret(given, token)) return null
  if (given !== undefined) return adminError('WRONG-TOKEN')
  if (!request.fromLoopback) return adminError('TOKEN')
  return namesLoopback(request.host) ? null : adminError('ORIGIN')
}

/** Takes the same time whatever is given, also for other lengths. */
const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const namesLoopback = (host: string): boolean =>
  host === '' || /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host)

/** '' where a path is the route's, the name where the route ends in `*`, null where it is another path. */
function nameIn(route: string, path: string): string | null {
  if (!route.endsWith('*')) return route === path ? '' : null
  const start = route.slice(0, -1)
  if (!path.startsWith(start) || path.length === start.length) return null
  try {
    return decodeURIComponent(path.slice(start.length))
  } catch {
    return null
  }
}
