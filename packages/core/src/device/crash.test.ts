import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { createWorld, judge, LIFE_MS, type Who, type World } from './crash.fixture.ts'

// The portable signatures take no thread: when nothing happens, then everybody waits.
vi.mock('@noble/curves/webcrypto.js', () => ({ ed25519: { isSupported: async () => false } }))

const WINDOW = 4
/** Many lives, one after the other, on a machine that may do much else. */
const TIMEOUT_MS = 600_000
/** Tokens of the answer that is crashed: two windows and a tail. */
const TOKENS = 9

/** Who is dead comes back; they go on borrowing on the same channel until all deadlines are past. */
async function recover(world: World): Promise<string[]> {
  await revive(world)
  const ends = [await world.borrow(2)]
  for (let i = 0; i < 2; i++) {
    world.clock.pass(LIFE_MS)
    ends.push(await world.borrow(1))
  }
  const refused = ends.filter((end) => end !== 'whole')
  return [...refused.map((end) => `not served again: ${end}`), ...(await judge(world))]
}

async function revive(world: World): Promise<void> {
  for (const who of ['lender', 'borrower'] as const) {
    world.lifeOf(who).spare()
    if (world.lifeOf(who).isDead()) await world.reboot(who)
  }
}

/** Kills `who` after each act in turn, until an answer gets through. @returns what went wrong where */
async function everyPoint(
  who: Who,
  during: (world: World) => Promise<unknown>,
  init: {
    isMet: boolean
    /** Both lend, and owe each other this many tokens. */
    owes?: Record<Who, number>
    /** Once who died is back. */
    afterwards?: (world: World) => Promise<unknown>
  },
): Promise<{ points: number; problems: string[] }> {
  const problems: string[] = []
  for (let points = 0; ; points++) {
    const world = await createWorld({ windowTokens: WINDOW, isMutual: init.owes !== undefined })
    if (init.isMet) await world.meet()
    if (init.owes !== undefined) await world.owe(init.owes)
    // The one that lives is there first.
    await world.reboot(who === 'lender' ? 'borrower' : 'lender')
    await world.reboot(who, points)
    await during(world)
    const isDead = world.lifeOf(who).isDead()
    if (init.afterwards !== undefined) await revive(world)
    await init.afterwards?.(world)
    if (!isDead) return { points, problems }
    if (!init.isMet) {
      await revive(world)
      await world.open()
    }
    const found = await recover(world)
    problems.push(...found.map((problem) => `${who} killed after act ${points}: ${problem}`))
  }
}

describe('a crash', () => {
  it.each(['lender', 'borrower'] as const)(
    'default: of the %s, at every point of a paid answer, costs nobody anything',
    { timeout: TIMEOUT_MS },
    async (who) => {
      const borrow = (world: World) => world.borrow(TOKENS)
      const { points, problems } = await everyPoint(who, borrow, { isMet: true })
      expect(problems).toEqual([])
      expect(points).toBeGreaterThan(25)
    },
  )

  it.each(['lender', 'borrower'] as const)(
    'behaviour: of the %s, at every point of an opening, leaves one channel that serves',
    { timeout: TIMEOUT_MS },
    async (who) => {
      const open = (world: World) => world.open()
      const { points, problems } = await everyPoint(who, open, { isMet: false })
      expect(problems).toEqual([])
      expect(points).toBeGreaterThan(5)
    },
  )

  it.each(['lender', 'borrower'] as const)(
    'behaviour: of the %s, at every point of a set-off, cancels a debt once or not at all',
    { timeout: TIMEOUT_MS },
    async (who) => {
      const owes = { borrower: TOKENS, lender: 5 }
      const amounts = new Set<bigint>()
      const setOff = (world: World) => world.setOff('borrower')
      const afterwards = async (world: World) => {
        for (const one of ['lender', 'borrower'] as const) await world.setOff(one)
        for (const { settled } of world.ledger.channels.values()) amounts.add(settled)
      }
      const init = { isMet: true, owes, afterwards }
      const { points, problems } = await everyPoint(who, setOff, init)
      expect(problems).toEqual([])
      // The one that is asked has little to do.
      expect(points).toBeGreaterThan(who === 'lender' ? 3 : 10)
      // The lesser debt, on both channels, whenever who died.
      expect([amounts.size, amounts.has(0n)]).toEqual([1, false])
    },
  )

  it('behaviour: rule “noted before it is sent”: of the borrower, at every point of leaving, lets nothing be signed on a channel whose exit was asked for', {
    timeout: TIMEOUT_MS,
  }, async () => {
    let asked = 0
    for (let points = 0; ; points++) {
      const world = await createWorld({ windowTokens: WINDOW })
      await world.meet()
      await world.borrow(TOKENS)
      await world.reboot('borrower', points)
      await world.leave()
      const isWhole = !world.lifeOf('borrower').isDead()
      await revive(world)
      const [[, before] = []] = await world.lifeOf('borrower').device.tables.channels.list()
      const isAsked = [...world.ledger.channels.values()].some((one) => one.exitRequestedAt > 0)
      if (isAsked) asked++
      // Straight from its disk: no look at the chain comes before an answer.
      const end = await world.borrow(TOKENS)
      const [[, after] = []] = await world.lifeOf('borrower').device.tables.channels.list()
      expect([points, end]).toEqual([points, isAsked || before?.isLeaving ? 'payment' : 'whole'])
      if (isAsked) expect(after?.cumulative).toBe(before?.cumulative)
      // It goes on where it stopped.
      if (!isAsked) await world.leave()
      const exits = [...world.ledger.channels.values()].map((one) => one.exitRequestedAt > 0)
      expect(exits).toEqual([true])
      if (isWhole) break
    }
    expect(asked).toBeGreaterThan(1)
  })

  it('behaviour: and further ones while they recover change nothing', { timeout: TIMEOUT_MS }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            who: fc.constantFrom('lender' as const, 'borrower' as const),
            after: fc.nat(45),
            /** The other one dies with it. */
            isBoth: fc.boolean(),
            isLong: fc.boolean(),
          }),
          { minLength: 2, maxLength: 4 },
        ),
        async (crashes) => {
          const world = await createWorld({ windowTokens: WINDOW })
          await world.meet()
          for (const { who, after, isBoth, isLong } of crashes) {
            await revive(world)
            await world.reboot(who, after)
            await world.borrow(TOKENS)
            if (isBoth) await world.reboot(who === 'lender' ? 'borrower' : 'lender')
            if (isLong) world.clock.pass(LIFE_MS)
          }
          expect(await recover(world)).toEqual([])
        },
      ),
      { numRuns: 12, endOnFailure: true },
    ),
  )
})
