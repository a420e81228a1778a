import { loadavg } from 'node:os'
import { whyNot } from '../tests/netns/commands.ts'
import { NAT_PAIRS, type NatWay, openNatTown } from '../tests/netns/nat-pairs.ts'
import { type Bench, machine } from './bench.ts'
import { rounded } from './median.ts'

const ROUNDS = 3

/** Which pairs of routers come to a direct connection. `--quick`: one round, two pairs. */
export const natBench: Bench = {
  summary: 'direct connections per pair of routers, in network namespaces (root, Linux, nftables)',
  run: async ({ args, say }) => {
    const why = whyNot()
    if (why !== null) throw new Error(`this needs network namespaces, and ${why}`)
    const isQuick = args.includes('--quick')
    const rounds = isQuick ? 1 : ROUNDS
    const pairs = isQuick ? NAT_PAIRS.slice(0, 2) : NAT_PAIRS
    const load = loadavg()[0]
    const ways: NatWay[] = []
    for (let round = 1; round <= rounds; round++) {
      await using town = await openNatTown()
      for (const { from, to } of pairs) {
        const way = await town.borrow(from, to)
        ways.push(way)
        say(`${round}/${rounds} ${from} from ${to}: ${wordOf(way)}`)
      }
    }
    const share = (of: readonly NatWay[], is: (way: NatWay) => boolean) =>
      rounded(of.filter(is).length / of.length, 3)
    const rates = (of: readonly NatWay[]) => ({
      tried: of.length,
      direct: share(of, ({ isDirect }) => isDirect),
      directAtFirst: share(of, ({ isAtOnce }) => isAtOnce),
    })
    return {
      conditions: {
        ...machine(),
        rounds,
        network: 'one bridge, a router of nftables for each hidden device, no delay and no loss',
        tried: 'a borrower borrows twice from a lender that has a place at a public relay',
        directAtFirst: 'the first answer already went over a connection of the two alone',
        loadBefore: rounded(load ?? Number.NaN),
      },
      figures: {
        pairs: pairs.map(({ from, to }) => ({
          borrower: from,
          lender: to,
          ...rates(ways.filter((way) => way.from === from && way.to === to)),
        })),
        all: rates(ways),
      },
      goals: [],
    }
  },
}

function wordOf({ isDirect, isAtOnce }: NatWay): string {
  if (isAtOnce) return 'direct'
  return isDirect ? 'direct from the second answer on' : 'relayed'
}
