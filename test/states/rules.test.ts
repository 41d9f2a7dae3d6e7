// The rule table, exhaustively: every role under every observation comes to rest, never serves without right, and every
// row is used. The machine is held against the plain reading of the rows.
import assert from 'node:assert/strict'
import { dutiesOf, dutyRows } from '../../src/states/duties.ts'
import { difference, forgottenOn, initialState, roleOf, step } from '../../src/states/machine.ts'
import { AT_START, matches, WORDS, type Observation } from '../../src/states/observation.ts'
import { rules, type Rule } from '../../src/states/rules.ts'
import { ROLES, SERVING, type Role } from '../../src/states/roles.ts'

function* observations(): Generator<Observation> {
  const names = Object.keys(WORDS) as (keyof Observation)[]
  const at = names.map(() => 0)
  for (;;) {
    yield Object.fromEntries(names.map((name, i) => [name, WORDS[name][at[i]!]])) as unknown as Observation
    let i = 0
    while (i < names.length && ++at[i]! === WORDS[names[i]!].length) at[i++] = 0
    if (i === names.length) return
  }
}

/** The rows read plainly, without XState: the rules that fire until none fits. */
function settle(role: Role, observation: Observation): { role: Role; observation: Observation; fired: Rule[] } {
  const fired: Rule[] = []
  for (;;) {
    const rule = rules.find(r => r.from === role && matches(r.when, observation))
    if (!rule) return { role, observation, fired }
    fired.push(rule)
    assert.ok(fired.length <= 6, `circle: ${fired.map(r => r.id).join(' ')}`)
    role = rule.to
    observation = { ...observation, ...forgottenOn[rule.to] }
  }
}

describe('the rule table', () => {
  it('brings every role under every observation to rest, never to serving without right, and uses every row', function () {
    this.timeout(60_000)
    const used = new Set<string>()
    const duties = new Set<string>()
    let cases = 0
    for (const observation of observations())
      for (const from of ROLES) {
        cases++
        const end = settle(from, observation)
        for (const rule of end.fired) used.add(rule.id)
        const { role, observation: o } = end
        const say = () => `${from} -> ${end.fired.map(r => `${r.id} ${r.to}`).join(', ')} with ${JSON.stringify(o)}`
        if (role === 'STANDALONE') assert.ok(o.lock === 'held' && o.reign === 'solo', say())
        if (role === 'ACTIVE SYNC') assert.ok(o.reign !== 'none' && o.lock === 'held', say())
        if (role === 'ACTIVE') assert.ok(o.reign !== 'none', say())
        if (!SERVING.has(from) && SERVING.has(role)) assert.equal(o.copy, 'whole', say())
        if (role === 'PASSIVE SYNC') assert.notEqual(o.peer, 'DEAD', say())
        if (role === 'PASSIVE' && from !== 'PASSIVE') assert.ok(o.peer !== 'DEAD', say())
        if (role === 'PASSIVE' && from === 'PASSIVE SYNC')
          assert.ok(observation.sync === 'done' && o.copy === 'whole', say())
        const asked = dutiesOf(role, o)
        for (const row of Object.values(asked)) if (row) duties.add(row.id)
        if (asked['take over']) {
          assert.ok(asked.lock, `takes over without wanting the lock: ${say()}`)
          assert.ok(o.copy === 'whole' && o.record !== 'peer' && o.record !== 'unknown' && o.lock === 'held', say())
          assert.ok(o.peer === 'WAITING' || (o.peer === 'DEAD' && o.quiet === 'yes' && o.gateway === 'up'), say())
        }
        if (asked['go solo']) assert.equal(o.lock, 'held', say())
      }
    assert.deepEqual(
      rules.filter(r => !used.has(r.id)).map(r => r.id),
      [],
      'rows that no case uses',
    )
    assert.deepEqual(
      dutyRows.filter(r => !duties.has(r.id)).map(r => r.id),
      [],
      'duties that no case asks for',
    )
    assert.ok(cases > 100_000, `${cases} cases`)
  })

  it('is what the machine does: random walks agree with the plain reading, with the effects in order', () => {
    let seed = 1
    const draw = (n: number) => {
      seed = (seed + 0x6d2b79f5) | 0
      const mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
      return ((mixed ^ (mixed >>> 13)) >>> 0) % n
    }
    let state = initialState()
    let plain: { role: Role; observation: Observation } = { role: 'WAITING', observation: AT_START }
    const names = Object.keys(WORDS) as (keyof Observation)[]
    const reached = new Set<Role>()
    for (let i = 0; i < 20_000; i++) {
      const news = Object.fromEntries(
        names.filter(() => draw(2) === 0).map(name => [name, WORDS[name][draw(WORDS[name].length)]]),
      ) as Partial<Observation>
      const fresh = difference(state, news)
      if (!fresh) continue
      const stepped = step(state, fresh)
      const end = settle(plain.role, { ...plain.observation, ...news })
      assert.deepEqual(stepped.fired, end.fired)
      assert.equal(roleOf(stepped.state), end.role)
      assert.deepEqual(stepped.state.context.observation, end.observation)
      const serving = stepped.effects.filter(e => e.type === 'serve' || e.type === 'retire').map(e => e.type)
      if (SERVING.has(plain.role) !== SERVING.has(end.role))
        assert.equal(serving.at(-1), SERVING.has(end.role) ? 'serve' : 'retire')
      state = stepped.state
      plain = end
      reached.add(end.role)
    }
    assert.equal(reached.size, ROLES.length)
  })
})
