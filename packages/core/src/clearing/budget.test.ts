import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createHandClock } from '../lending/lending.fixture.ts'
import { createMemoryStorage } from '../storage.memory.ts'
import {
  createBudget,
  type Reservation,
  type Spending,
  UNLIMITED,
  withinCeilings,
} from './budget.ts'

const HOUR_MS = 3_600_000

function open() {
  const clock = createHandClock()
  const table = createMemoryStorage().table<Spending>('spending')
  return { clock, table, budget: createBudget(table, clock) }
}

describe('budget', () => {
  it('default: what an answer did not cost is given back', async () => {
    const { budget } = open()
    const ceilings = { perRequest: 60n, perDay: 100n }
    const first = await budget.reserve(60n, ceilings)
    await expect(budget.reserve(41n, ceilings)).rejects.toThrow(/a day cost 100/)
    await first.close(25n)
    expect(await budget.spent()).toBe(25n)
    await budget.reserve(60n, ceilings)
    expect(await budget.spent()).toBe(85n)
  })

  it('behaviour: one request has a ceiling of its own, and no ceiling is none', async () => {
    const { budget } = open()
    const refused = budget.reserve(61n, { perRequest: 60n, perDay: null })
    await expect(refused).rejects.toThrow(/may cost 61 token units.*you let one cost 60/)
    await expect(refused).rejects.toMatchObject({ name: 'CeilingError' })
    expect(await budget.spent()).toBe(0n)
    await budget.reserve(10n ** 30n, UNLIMITED)
  })

  it('behaviour: who asks may lower the ceiling of one request, and not raise it', () => {
    const owner = { perRequest: 60n, perDay: 100n }
    expect(withinCeilings(owner, 5n)).toEqual({ perRequest: 5n, perDay: 100n })
    expect(withinCeilings(owner, 61n)).toEqual(owner)
    expect(withinCeilings(owner, undefined)).toEqual(owner)
    expect(withinCeilings(UNLIMITED, 0n)).toEqual({ perRequest: 0n, perDay: null })
  })

  it('behaviour: what was spent counts for a day, also for the next process', async () => {
    const { clock, table, budget } = open()
    await budget.reserve(100n, UNLIMITED)
    clock.pass(23 * HOUR_MS)
    const next = createBudget(table, clock)
    await expect(next.reserve(1n, { perRequest: null, perDay: 100n })).rejects.toThrow(/a day/)
    clock.pass(2 * HOUR_MS)
    await next.reserve(100n, { perRequest: null, perDay: 100n })
    expect(await next.spent()).toBe(100n)
  })

  it('behaviour: a closing that comes a day late gives nothing back that is not there', async () => {
    const { clock, budget } = open()
    const first = await budget.reserve(100n, UNLIMITED)
    clock.pass(26 * HOUR_MS)
    await budget.reserve(5n, UNLIMITED)
    await first.close(0n)
    expect(await budget.spent()).toBe(5n)
  })

  it('property: within any 24 hours no more is spent than a day may cost', async () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 8 * HOUR_MS }),
      atMost: fc.bigInt({ min: 0n, max: 60n }),
      part: fc.integer({ min: 0, max: 4 }),
      isKept: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { clock, budget } = open()
        const seen: { atMs: number; cost: bigint }[] = []
        const kept: { reservation: Reservation; index: number; atMost: bigint }[] = []
        for (const { waitMs, atMost, part, isKept } of steps) {
          clock.pass(waitMs)
          const reservation = await budget
            .reserve(atMost, { perRequest: null, perDay: 100n })
            .catch(() => null)
          if (reservation !== null) {
            seen.push({ atMs: clock.now(), cost: atMost })
            if (isKept) kept.push({ reservation, index: seen.length - 1, atMost })
          }
          const done = kept.shift()
          if (done === undefined) continue
          const cost = (done.atMost * BigInt(part)) / 4n
          await done.reservation.close(cost)
          const entry = seen[done.index]
          if (entry) entry.cost = cost
          for (const { atMs } of seen) {
            const within = seen.filter((one) => one.atMs <= atMs && one.atMs > atMs - 24 * HOUR_MS)
            expect(within.reduce((sum, one) => sum + one.cost, 0n)).toBeLessThanOrEqual(100n)
          }
        }
      }),
    )
  })
})
