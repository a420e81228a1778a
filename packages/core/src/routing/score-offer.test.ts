import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Random } from '../platform.ts'
import {
  type Choosable,
  PREFERENCES,
  pickOffer,
  rankOffers,
  scoreOffer,
  TRY_ONE_IN,
  USUAL_SPEED,
} from './score-offer.ts'

const base: Choosable = {
  id: 'aa',
  rung: 'market',
  barred: null,
  needsOpening: false,
  costUnits: 500,
  maxTokens: 512,
  speed: null,
  samples: 0,
  whole: 0,
  broken: 0,
  errorRate: 0.1,
  isAuditable: true,
}
const fast = { connectMs: 20, readyMs: 20, firstTokenMs: 200, tokensPerSecond: 40 }
/** A lender that has shown what it can do. */
const proven: Choosable = {
  ...base,
  id: 'bb',
  speed: fast,
  samples: 12,
  whole: 12,
  errorRate: 0.05,
}

const positive = fc.double({ min: 1, max: 1e5, noNaN: true })
const count = fc.double({ min: 0, max: 40, noNaN: true })
const speeds = fc.record({
  connectMs: positive,
  readyMs: positive,
  firstTokenMs: positive,
  tokensPerSecond: fc.double({ min: 0.01, max: 1_000, noNaN: true }),
})
const offers = fc.record<Choosable>({
  id: fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 4, maxLength: 8 }),
  rung: fc.constantFrom('own', 'friends', 'market'),
  barred: fc.option(fc.constant('it failed audits'), { freq: 4 }),
  needsOpening: fc.boolean(),
  costUnits: fc.nat(1_000_000),
  maxTokens: fc.integer({ min: 1, max: 16_384 }),
  speed: fc.option(speeds),
  samples: count,
  whole: count,
  broken: count,
  errorRate: fc.double({ min: 0, max: 1, noNaN: true }),
  isAuditable: fc.boolean(),
})
const prefer = fc.constantFrom(...PREFERENCES)
/** Randomness from a seed: the same each time. */
function seeded(seed: number): Random {
  let state = seed >>> 0
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state >>> 24
    })
}

describe('scoreOffer', () => {
  it('default: cost and waiting, over the chance that it was worth it', () => {
    const { score, seconds, chance } = scoreOffer(base, 'balanced')
    expect(seconds).toBeCloseTo(1.3 + 51.2)
    // Beta(2, 1): mean 2/3, deviation 0.2357; one answer in ten is wrong.
    expect(chance).toBeCloseTo((2 / 3 - 0.2357) * 0.9, 3)
    expect(score).toBeCloseTo((500 + 10 * seconds) / chance)
  })

  it('behaviour: better in one way and alike in all others never scores worse', () => {
    const ways: [keyof Choosable, (offer: Choosable, by: number) => Partial<Choosable>][] = [
      ['costUnits', ({ costUnits }, by) => ({ costUnits: costUnits * by })],
      ['whole', ({ whole }, by) => ({ whole: whole + 10 * (1 - by) })],
      ['broken', ({ broken }, by) => ({ broken: broken * by })],
      ['errorRate', ({ errorRate }, by) => ({ errorRate: errorRate * by })],
      ['isAuditable', () => ({ isAuditable: true })],
      [
        'speed',
        ({ speed }, by) => ({
          speed: speed && {
            connectMs: speed.connectMs * by,
            readyMs: speed.readyMs * by,
            firstTokenMs: speed.firstTokenMs * by,
            tokensPerSecond: speed.tokensPerSecond / Math.max(by, 0.01),
          },
        }),
      ],
    ]
    for (const [name, better] of ways) {
      fc.assert(
        fc.property(
          offers,
          prefer,
          fc.double({ min: 0, max: 1, noNaN: true }),
          (one, by, share) => {
            const other = { ...one, ...better(one, share) }
            const before = scoreOffer(one, by).score
            expect(scoreOffer(other, by).score, name).toBeLessThanOrEqual(before * (1 + 1e-9))
          },
        ),
      )
    }
  })

  it('behaviour: what was measured once counts half, what was measured often counts', () => {
    const tokens = (samples: number) =>
      scoreOffer({ ...proven, samples, maxTokens: 1_000 }, 'fast').seconds
    expect(tokens(0)).toBeCloseTo(scoreOffer({ ...base, maxTokens: 1_000 }, 'fast').seconds)
    expect(tokens(1)).toBeCloseTo((tokens(0) + tokens(1e9)) / 2, 3)
    expect(tokens(20)).toBeLessThan(tokens(1))
  })
})

describe('rankOffers', () => {
  it('default: who is barred is never chosen, and the nearest comes first', () => {
    fc.assert(
      fc.property(fc.array(offers, { maxLength: 12 }), prefer, fc.nat(), (all, by, seed) => {
        const ranked = rankOffers(all, by)
        expect(ranked).toHaveLength(all.filter(({ barred }) => barred === null).length)
        const { chosen } = pickOffer(ranked, seeded(seed)) ?? {}
        if (chosen === undefined) return
        expect(chosen.offer.barred).toBeNull()
        expect(chosen.offer.rung).toBe(ranked[0]?.offer.rung)
        const rungs = ['own', 'friends', 'market'].filter((rung) =>
          ranked.some(({ offer }) => offer.rung === rung),
        )
        expect(chosen.offer.rung).toBe(rungs[0])
        // Who can be paid at once comes before who waits for a block.
        const near = ranked.filter(({ offer }) => offer.rung === rungs[0])
        expect(chosen.offer.needsOpening).toBe(near.every(({ offer }) => offer.needsOpening))
      }),
    )
  })

  it('behaviour: the order in which offers came changes nothing', () => {
    const all = fc.uniqueArray(offers, { selector: ({ id }) => id, minLength: 2, maxLength: 8 })
    fc.assert(
      fc.property(all, prefer, (some, by) => {
        const ids = (list: readonly Choosable[]) =>
          rankOffers(list, by).map(({ offer }) => offer.id)
        expect(ids([...some].reverse())).toEqual(ids(some))
      }),
    )
  })

  it('behaviour: cheap, balanced and fast choose differently', () => {
    const slow = { ...proven, id: 'slow', costUnits: 100 }
    slow.speed = { ...fast, tokensPerSecond: 2 }
    const middle = { ...proven, id: 'middle', costUnits: 600 }
    middle.speed = { ...fast, tokensPerSecond: 20 }
    const quick = { ...proven, id: 'quick', costUnits: 2_000 }
    quick.speed = { ...fast, tokensPerSecond: 200 }
    const first = PREFERENCES.map((by) => rankOffers([slow, middle, quick], by)[0]?.offer.id)
    expect(first).toEqual(['slow', 'middle', 'quick'])
  })

  it('behaviour: of two alike the one that a table can judge comes first', () => {
    const blind = { ...proven, id: 'a', isAuditable: false }
    expect(rankOffers([blind, proven], 'balanced')[0]?.offer.id).toBe('bb')
  })
})

describe('pickOffer', () => {
  const newcomers = ['c1', 'c2', 'c3'].map((id) => ({ ...base, id, costUnits: 700 }))
  const share = (all: readonly Choosable[], draws = 4_000) => {
    const random = seeded(7)
    const ranked = rankOffers(all, 'balanced')
    const picked = Array.from({ length: draws }, () => pickOffer(ranked, random)?.chosen.offer.id)
    return (id: string) => picked.filter((one) => one === id).length / draws
  }

  it('default: a newcomer is tried now and then, and never preferred', () => {
    const of = share([proven, ...newcomers])
    for (const { id } of newcomers) {
      expect(of(id)).toBeGreaterThan(1 / TRY_ONE_IN / 3 / 2)
      expect(of(id)).toBeLessThan((1 / TRY_ONE_IN / 3) * 2)
    }
    expect(of('bb')).toBeGreaterThan(0.9)
  })

  it('behaviour: a hundred newcomers are tried together no more often than one', () => {
    const crowd = Array.from({ length: 100 }, (_, i) => ({ ...base, id: `c${i}`, costUnits: 400 }))
    expect(share([proven, ...crowd])('bb')).toBeGreaterThan(0.9)
  })

  it('behaviour: nothing farther away or much dearer is tried', () => {
    const dear = { ...base, id: 'dear', costUnits: 1_001 }
    const far = { ...base, id: 'far', costUnits: 1 }
    const near = { ...proven, rung: 'friends' as const }
    expect(share([proven, dear])('bb')).toBe(1)
    expect(share([near, far])('bb')).toBe(1)
  })

  it('behaviour: among newcomers alone nothing is drawn', () => {
    const random: Random = () => {
      throw new Error('it drew')
    }
    const ranked = rankOffers(newcomers, 'balanced')
    expect(pickOffer(ranked, random)).toMatchObject({ chosen: { offer: { id: 'c1' } } })
    expect(pickOffer([], random)).toBeUndefined()
  })

  it('behaviour: a slow one without measurements does not gain by being unknown', () => {
    const slow = { ...proven, id: 'slow', samples: 20 }
    slow.speed = { ...USUAL_SPEED, tokensPerSecond: 12 }
    // Known to be a little quicker than usual, and sure: it stays before the unknown at the same price.
    expect(rankOffers([{ ...base }, slow], 'fast')[0]?.offer.id).toBe('slow')
  })

  it('behaviour: the same seed picks the same', () => {
    fc.assert(
      fc.property(fc.array(offers, { maxLength: 8 }), fc.nat(), (all, seed) => {
        const ranked = rankOffers(all, 'balanced')
        expect(pickOffer(ranked, seeded(seed))).toEqual(pickOffer(ranked, seeded(seed)))
      }),
    )
  })
})
