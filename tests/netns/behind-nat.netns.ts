/** Lenders behind routers, in network namespaces: `npm run netns`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whyNot } from './commands.ts'
import { canPunch, NAT_PAIRS, type NatTown, type NatWay, openNatTown } from './nat-pairs.ts'
import type { LineKind } from './slow-line.ts'

const why = whyNot()
const TEST_MS = 300_000

/** Homes far from each other: 80 ms there and back, one frame in a hundred lost on the way. */
const FAR: LineKind = { onewayMs: 20, loss: 0.005, bytesPerSecond: 1_000_000 }
/** Two in which a hole can be punched, and one in which none can be. */
const SOME = NAT_PAIRS.filter(
  ({ from, to }) =>
    (from === 'port restricted' && to !== 'symmetric') || (from === to && to === 'symmetric'),
)

describe.skipIf(why !== null).each([
  { where: 'near others', line: undefined, pairs: NAT_PAIRS },
  { where: 'far from others', line: FAR, pairs: SOME },
])(`a device behind a router, $where${why === null ? '' : ` (${why})`}`, ({ line, pairs }) => {
  let town: NatTown
  const ways: NatWay[] = []

  beforeAll(async () => {
    town = await openNatTown(line ? { line } : {})
  }, TEST_MS)
  afterAll(async () => {
    await town?.[Symbol.asyncDispose]()
  }, TEST_MS)

  it.for(pairs)(
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
