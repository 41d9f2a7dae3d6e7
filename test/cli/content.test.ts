// lockstep queue, subscription and session as processes.

import assert from 'node:assert/strict'
import { adminPort } from './admin-port.ts'
import { lockstep } from './run.ts'

describe('cli: what is in the broker', () => {
  const admin = adminPort()
  const { subject } = admin

  it('queue, subscription and session: list, act on one that is named, and refuse nonsense', async () => {
    const results = await Promise.all([
      lockstep(['queue', admin.url]),
      lockstep(['queue', admin.url, '--match', 'orders.*', '--limit', '1']),
      lockstep(['queue', admin.url, 'list', '--match', 'x', '--json']),
      lockstep(['queue', admin.url, '--match', 'x']),
      lockstep(['subscription', admin.url]),
      lockstep(['session', admin.url]),
      lockstep(['queue', admin.url, 'purge', 'orders.eu']),
      lockstep(['subscription', admin.url, 'remove', 'app/all']),
      lockstep(['session', admin.url, 'end', 'sensor 1']),
      lockstep(['session', admin.url, 'end']),
      lockstep(['queue', admin.url, 'list', 'orders.eu']),
      lockstep(['queue', admin.url, 'remove', 'orders.eu']),
    ])
    assert.deepEqual(
      results.map(r => r.code),
      [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2],
      results.map(r => r.err).join('\n'),
    )
    const out = results.map(r => r.out)
    assert.equal(
      out[0],
      [
        'messages  delivered  size   delayed  paged out  consumers  queue',
        '9         1          400 B  0        0          2          orders.us',
        '4         1          400 B  0        0          2          orders.eu',
        '3         1          400 B  0        0          2          bills',
        '',
      ].join('\n'),
    )
    assert.match(out[1] as string, /orders\.us\n1 more: --limit shows more of them\.\n$/)
    assert.deepEqual(JSON.parse(out[2] as string), { total: 0, entries: [] })
    assert.equal(out[3], 'There are no such queues.\n')
    assert.match(out[4] as string, /^1 +0 +2 B +0 +app\/all +a\/# +x = 1$/m)
    assert.match(
      out[5] as string,
      /^7 +0 +70 B +left 2023-11-14T22:13:20\.000Z +for ever +ann +sensor 1 +a\/\+ \$share\/g\/b$/m,
    )
    assert.equal(out[6], 'Took 5 messages out of orders.eu.\n')
    assert.deepEqual(subject.calls.sort(), ['no session sensor 1', 'no subscription app/all', 'purge orders.eu'])
    assert.match(results[9]?.err ?? '', /^CLI-USAGE: Say which session to end: \[name\] is missing\./)
  })
})
