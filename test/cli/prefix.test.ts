// Who says a line of `lockstep pair`: in front for people, in a field for programs.

import assert from 'node:assert/strict'
import { fielded, prefixed } from '../../src/cli/prefix.ts'

describe('cli: lines of several processes', () => {
  it('have the name in front', () => {
    assert.equal(prefixed('primary', null)('says it'), 'primary   | says it')
    assert.equal(prefixed('pair', 33)('x'), '\u001b[33mpair      | \u001b[0mx')
  })

  it('stay JSON objects where they are, with the name in a field', () => {
    const line = fielded('primary', () => new Date(0))
    assert.deepEqual(JSON.parse(line('{"level":"warn","message":"m","server":"primary"}')), {
      from: 'primary',
      level: 'warn',
      message: 'm',
      server: 'primary',
    })
    for (const text of ['at Object.<anonymous>', '{ not: json', '[1]', '{"cut', '', '"text"', 'null'])
      assert.deepEqual(JSON.parse(line(text)), {
        from: 'primary',
        level: 'info',
        message: text,
        timestamp: '1970-01-01T00:00:00.000Z',
      })
  })
})
