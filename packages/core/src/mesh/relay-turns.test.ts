import { describe, expect, it } from 'vitest'
import { RELAYED_PER_MINUTE, RELAYED_PER_MINUTE_IN_ALL } from './relay-limits.ts'
import { createRelayTurns } from './relay-turns.ts'

describe('turns at a relay', () => {
  it('default: so many for one device in a minute, then none', () => {
    let nowMs = 0
    const take = createRelayTurns(() => nowMs)
    const tries = Array.from({ length: RELAYED_PER_MINUTE + 3 }, () => take('a'))
    expect(tries.filter(Boolean)).toHaveLength(RELAYED_PER_MINUTE)
    expect(take('b')).toBe(true)
    nowMs += 60_000
    expect(take('a')).toBe(true)
  })

  it('behaviour: many devices together have no more than the relay gives', () => {
    const take = createRelayTurns(() => 0)
    const tries = Array.from({ length: 2 * RELAYED_PER_MINUTE_IN_ALL }, (_, i) => take(`${i}`))
    expect(tries.filter(Boolean)).toHaveLength(RELAYED_PER_MINUTE_IN_ALL)
  })
})
