import { describe, expect, it } from 'vitest'
import type { Scope } from '../wire/frames.ts'
import { bytesOutOfScope } from './bytes-out-of-scope.ts'
import type { EgressEntry } from './egress-log.ts'
import type { Rung } from './route.ts'

const entry = (to: string, scope: Scope, sizeBytes: number): EgressEntry => ({
  ...{ to, scope, sizeBytes, digest: '', why: '', priceUnits: '0' },
  ...{ index: 0, timeMs: 0, previous: '', hash: '' },
})
const RUNGS: Record<string, Rung> = { mine: 'own', friend: 'friends' }
const rungOf = (device: string): Rung => RUNGS[device] ?? 'market'

describe('bytesOutOfScope', () => {
  it('default: counts what went to whom its scope does not reach', () => {
    const entries = [
      ...[entry('mine', 'own', 1), entry('friend', 'friends', 2), entry('stranger', 'market', 4)],
      ...[entry('friend', 'own', 8), entry('stranger', 'friends', 16), entry('mine', 'device', 32)],
    ]
    expect(bytesOutOfScope(entries, { rungOf })).toBe(8 + 16 + 32)
    expect(bytesOutOfScope(entries.slice(0, 3), { rungOf })).toBe(0)
  })

  it('behaviour: what was allowed may be less than what the log says', () => {
    const entries = [entry('stranger', 'market', 5)]
    expect(bytesOutOfScope(entries, { rungOf, scopeOf: () => 'own' })).toBe(5)
  })
})
