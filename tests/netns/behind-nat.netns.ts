/** Lenders behind routers, in network namespaces: `npm run netns`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whyNot } from './commands.ts'
import { canPunch, NAT_PAIRS, type NatTown, type NatWay, openNatTown } from './nat-pairs.ts'

const why = whyNot()
const TEST_MS = 300_000

describe.skipIf(why !== null)(`a device behind a router${why === null ? '' : ` (${why})`}`, () => {
  let town: NatTown
  const ways: NatWay[] = []

  beforeAll(async () => {
    town = await openNatTown()
  }, TEST_MS)
  afterAll(async () => {
    await town?.[Symbol.asyncDispose]()
  }, TEST_MS)

  it.for(NAT_PAIRS)(
    'default: lends from behind a $to router to a $from one',
    { timeout: TEST_MS },
    async ({ from, to }) => {
      const way = await town.borrow(from, to)
      ways.push(way)
      // No hole can be punched there; where one can, a busy machine may still be too late for it.
      if (!canPunch(from, to)) expect(way.isDirect).toBe(false)
    },
  )

  it('behaviour: connects pairs directly whose routers let it', () => {
    const direct = ways.filter(({ isDirect }) => isDirect)
    expect(direct.length).toBeGreaterThan(0)
  })
})
