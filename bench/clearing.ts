import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { privateKeyToAccount } from 'viem/accounts'
import { SIGNER, testRecord } from '../packages/core/src/clearing/channel.fixture.ts'
import {
  checkVoucher,
  signVoucher,
  type VoucherCheck,
} from '../packages/core/src/clearing/voucher.ts'
import { createNativeVoucherCheck } from '../packages/node/src/chain/native-voucher-check.ts'
import { type Bench, type Goal, goal, machine } from './bench.ts'
import { type Gas, measureClearingGas } from './clearing-gas.ts'
import { rounded } from './median.ts'
import { measureTokenCosts } from './token-costs.ts'

/** What gas and tokens are worth: assumptions, each an option. */
interface Prices {
  /** Of one unit of gas, in 10^-9 of the native coin. */
  gasGwei: number
  /** Of one native coin, in dollars. */
  coinDollars: number
  /** Of a million output tokens, in dollars. */
  outputDollars: number
}

/** Share of the value that clearing may cost. */
const MOST_COST = 0.05
/** Output tokens between a pair of devices over a channel's life, for the share that clearing costs. */
const LIFE_TOKENS = 1_000_000

/**
 * Published by others, as they published it; none of it was measured here, and no two count the same:
 * each row says what it counts.
 */
const PUBLISHED = [
  {
    who: '0G Compute',
    what: 'settlement call: 0, 10, 20, 30, 40 requests',
    gas: [30_059, 192_553, 320_426, 448_717, 577_653],
    source: '0G serving broker 7aa521a, doc/design-doc.md lines 83-86',
    caveat:
      'from an old design document; newer versions batch differently. A row there is one request, here one channel with all its answers. The user signs no amount: the provider’s TEE does',
  },
  {
    who: 'x402 batch-settlement',
    what: 'claim: 1 and 10 channels',
    gas: [40_252, 192_043],
    source: 'x402 3d73f63, contracts/evm/snapshots/X402BatchSettlementGasTest.json',
    caveat:
      'execution only, without 21,000 and calldata, mock tokens: hold it against our `execution`. One bad row reverts the whole batch, and a second transaction pays out',
  },
  {
    who: 'x402 batch-settlement',
    what: 'first deposit: allowance, EIP-3009',
    gas: [84_770, 111_738],
    source: 'x402 3d73f63, contracts/evm/snapshots/X402BatchSettlementGasTest.json',
    caveat: 'execution only, as above',
  },
  {
    who: 'x402 exact',
    what: 'one payment for one request: least and most',
    gas: [61_105, 90_053],
    source: 'measured by Mist on Base with USDC',
    caveat: 'a transfer for each request; a prepaid flat price, no stream',
  },
] as const

/** What clearing costs, on the chain and off it. `--quick`: small, without goals. */
export const clearingBench: Bench = {
  summary:
    'gas of everything that clears, its share of the value, and what vouchers cost off chain',
  run: async ({ args, say }) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        'gas-gwei': { type: 'string', default: '0.01' },
        'coin-dollars': { type: 'string', default: '3000' },
        'output-dollars': { type: 'string', default: '1' },
      },
    })
    const prices: Prices = {
      gasGwei: Number(values['gas-gwei']),
      coinDollars: Number(values['coin-dollars']),
      outputDollars: Number(values['output-dollars']),
    }
    const rows = values.quick ? [1, 10] : [1, 10, 100]
    const rings = values.quick ? [2, 3] : [2, 3, 10]
    say('gas of real transactions')
    const gas = await measureClearingGas(rows, rings)
    const most = Math.max(...rows)
    const largest = Math.max(...rings)
    const perRow = at(gas, `settleMany, ${most}`) / most
    // Of a ring, what each further edge costs: the transaction itself is shared by all.
    const perEdge =
      (at(gas, `set-off, ring of ${largest}`) - at(gas, 'set-off, ring of 2')) / (largest - 2)
    const costs = shareOfValue(gas, perRow, prices)
    say('vouchers and books off chain')
    const offChain = await measureOffChain(values.quick ? 3 : 200)
    const goals: Goal[] = [
      goal('open, gas', '<= 75000', at(gas, 'open')),
      goal(`settleMany of ${most}, gas a row`, '<= 19000', rounded(perRow, 5)),
      goal('set-off, gas of a further edge', '<= 22000', rounded(perEdge, 5)),
      goal('clearing cost, share of the value', `<= ${MOST_COST}`, costs.share),
    ]
    return {
      conditions: {
        ...machine(),
        chain: 'anvil; accounts, keys and salts are random',
        gas: 'whole: all that the sender pays for; execution: without 21,000 and calldata',
        first: 'writes a slot that was zero; of the very first open also the house’s own balance',
        token: 'DevToken, an OpenZeppelin ERC-20 with EIP-3009 and EIP-2612',
        prices,
        rollups: 'a fee for data on another chain comes on top, and is not in here',
        life: `relayed open, one row in a settlement of ${most}, and close; ${LIFE_TOKENS} output tokens in between`,
      },
      figures: {
        gas,
        gasPerRow: rounded(perRow, 5),
        gasPerFurtherEdge: rounded(perEdge, 5),
        setOff: rings.map((size) => againstSettling(gas, size)),
        cost: costs,
        offChain,
        published: PUBLISHED,
      },
      goals: values.quick ? [] : goals,
    }
  },
}

function at(gas: Record<string, Gas>, name: string): number {
  const found = gas[name]
  if (found === undefined) throw new Error(`${name} was not measured`)
  return found.whole
}

/** A ring does at once what its devices do else: each settles, and tops up what it pays by from that. */
function againstSettling(gas: Record<string, Gas>, size: number) {
  const set = at(gas, `set-off, ring of ${size}`)
  const apart = size * (at(gas, 'settleMany, 1') + at(gas, 'top-up from ledger'))
  return { ring: size, gas: set, settlingAndToppingUp: apart, share: rounded(set / apart) }
}

/** One channel's life against what is paid over it. */
function shareOfValue(gas: Record<string, Gas>, perRow: number, prices: Prices) {
  const dollars = (units: number) => (units * prices.gasGwei * prices.coinDollars) / 1e9
  const tokenDollars = prices.outputDollars / 1e6
  const lives = {
    relayed: at(gas, 'relayed open') + perRow + at(gas, 'close'),
    /** What was earned opens the channel: no token moves. */
    fromLedger: at(gas, 'open from ledger') + perRow + at(gas, 'close'),
  }
  const breakEven = (units: number) => Math.ceil(dollars(units) / MOST_COST / tokenDollars)
  return {
    lifeGas: Math.ceil(lives.relayed),
    lifeDollars: rounded(dollars(lives.relayed)),
    share: rounded(dollars(lives.relayed) / (LIFE_TOKENS * tokenDollars)),
    /** Output tokens between a pair of devices from which on clearing costs at most 5 %. */
    breakEvenTokens: breakEven(lives.relayed),
    breakEvenTokensFromLedger: breakEven(lives.fromLedger),
  }
}

async function measureOffChain(rounds: number) {
  const record = testRecord('payee')
  const signer = privateKeyToAccount(`0x${'37'.repeat(32)}`)
  const sig = await signVoucher(SIGNER, record, 500n)
  const perSecond = async (work: () => Promise<unknown>) => {
    // Compiled, and the signer's key known, by then.
    await work()
    const startMs = performance.now()
    for (let n = 0; n < rounds; n++) await work()
    return rounded((1_000 * rounds) / (performance.now() - startMs), 3)
  }
  const checking = (check: VoucherCheck) => () => check(record, 500n, sig)
  const token = await measureTokenCosts(Math.max(2, rounds))
  return {
    vouchersSignedPerSecond: await perSecond(() => signVoucher(signer, record, 500n)),
    vouchersCheckedPerSecond: await perSecond(checking(createNativeVoucherCheck())),
    vouchersCheckedPortablyPerSecond: await perSecond(checking(checkVoucher)),
    meteringMsPerToken: token.meteringMs,
    storeCommitsPerSecond: token.storeCommitsPerSecond,
  }
}
