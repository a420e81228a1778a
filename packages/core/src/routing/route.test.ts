import { describe, expect, it } from 'vitest'
import { ScopeError } from '../errors.ts'
import type { Scope } from '../wire/frames.ts'
import { decideRoute, isWithin, type Rung, type Via } from './route.ts'

const SCOPES: Scope[] = ['device', 'own', 'friends', 'market']
const RUNGS: Rung[] = ['own', 'friends', 'market']

describe('isWithin', () => {
  it('default: a scope allows its rung and those below', () => {
    const allowed = SCOPES.map((scope) => RUNGS.filter((rung) => isWithin(scope, rung)))
    expect(allowed).toEqual([[], ['own'], ['own', 'friends'], ['own', 'friends', 'market']])
  })

  it('behaviour: what is neither is refused', () => {
    expect(isWithin('market', 'stranger' as Rung)).toBe(false)
    expect(() => isWithin('everywhere' as Scope, 'own')).toThrow(TypeError)
  })
})

describe('decideRoute', () => {
  /** Where each request goes: here, to a peer, or nowhere. */
  const table: Record<Via, Record<'fits' | 'does not fit', Record<Scope, string>>> = {
    auto: {
      fits: { device: 'here', own: 'here', friends: 'here', market: 'here' },
      'does not fit': { device: 'nowhere', own: 'peer', friends: 'peer', market: 'peer' },
    },
    here: {
      fits: { device: 'here', own: 'here', friends: 'here', market: 'here' },
      'does not fit': { device: 'nowhere', own: 'nowhere', friends: 'nowhere', market: 'nowhere' },
    },
    peer: {
      fits: { device: 'nowhere', own: 'peer', friends: 'peer', market: 'peer' },
      'does not fit': { device: 'nowhere', own: 'peer', friends: 'peer', market: 'peer' },
    },
  }
  const why = 'it needs 40 GB of memory'

  for (const [via, rows] of Object.entries(table)) {
    for (const [state, row] of Object.entries(rows)) {
      for (const [scope, where] of Object.entries(row)) {
        it(`behaviour: ${via}, scope ${scope}, a model that ${state}: ${where}`, () => {
          const question = {
            scope: scope as Scope,
            via: via as Via,
            model: 'acorn',
            notHere: state === 'fits' ? null : why,
          }
          if (where === 'nowhere') expect(() => decideRoute(question)).toThrow(ScopeError)
          else expect(decideRoute(question).where).toBe(where)
        })
      }
    }
  }

  it('default: says why', () => {
    const question = { scope: 'market', via: 'auto', model: 'acorn', notHere: why } as const
    expect(decideRoute(question).why).toBe(why)
    expect(decideRoute({ ...question, notHere: null }).why).toBe('acorn is here')
    expect(() => decideRoute({ ...question, scope: 'device' })).toThrow(/--scope/)
    expect(() => decideRoute({ ...question, via: 'here' })).toThrow(/--via here/)
  })
})
