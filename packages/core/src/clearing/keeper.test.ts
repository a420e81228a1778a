import type { Hex } from 'viem'
import { describe, expect, it } from 'vitest'
import { ChainError } from '../errors.ts'
import type { Clock } from '../platform.ts'
import { existing } from '../storage.ts'
import type { Chain, ChannelOnChain, SettlementRow } from './chain.ts'
import { HOUSE, tableOf, testRecord } from './channel.fixture.ts'
import type { ChannelRecord } from './channel.ts'
import { createKeeper, type KeeperInit, seeChannel, unsettled } from './keeper.ts'
import { NO_ORDERS } from './no-orders.fixture.ts'

const HOUR = 3_600_000
const INIT: KeeperInit = { worthUnits: 1_000n, unitsPerCoin: null, maxAgeMs: HOUR }

/** As much of a chain as a keeper needs: what it is told of channels, and what it was sent. */
function createFakeChain() {
  const channels = new Map<Hex, ChannelOnChain>()
  const sent: SettlementRow[][] = []
  const skips = new Set<Hex>()
  let isDown = false
  let gasPrice = 0n
  const none: ChannelOnChain = {
    ...{ deposit: 0n, confirmedDeposit: 0n, settled: 0n },
    ...{ status: 'none', isCloseYoung: false, exitRequestedAt: 0 },
  }
  const up = () => {
    if (isDown) throw new ChainError({ what: 'the chain cannot be asked' })
  }
  const never = () => Promise.reject(new Error('a keeper has no use for this'))
  const chain: Chain = {
    house: HOUSE,
    orders: {
      ...NO_ORDERS,
      weiPerGas: async () => {
        up()
        return gasPrice
      },
    },
    token: `0x${'c2'.repeat(20)}`,
    channel: async (id) => {
      up()
      return channels.get(id) ?? none
    },
    settleMany: async (rows) => {
      up()
      sent.push([...rows])
      for (const { config, cumulative } of rows) {
        const id = [...channels.keys()].find((key) => ids.get(key) === config.salt) as Hex
        const seen = channels.get(id) as ChannelOnChain
        if (skips.has(id)) continue
        const settled = cumulative < seen.deposit ? cumulative : seen.deposit
        channels.set(id, { ...seen, settled })
      }
      const hash: Hex = `0x${String(sent.length).padStart(64, '0')}`
      return { hash, blockNumber: 1n, gasUsed: 9n, feeWei: 9n, skipped: [...skips] }
    },
    balances: never,
    authorizeOpen: never,
    openWithAuthorization: never,
    setOff: never,
    setOffCost: never,
    requestClose: never,
    openings: never,
    finalizeClose: never,
    withdraw: never,
  }
  const ids = new Map<Hex, Hex>()
  return {
    chain,
    sent,
    skips,
    setGasPrice: (wei: bigint) => {
      gasPrice = wei
    },
    setDown: (down: boolean) => {
      isDown = down
    },
    know: (record: ChannelRecord, seen: Partial<ChannelOnChain> = {}) => {
      ids.set(record.id, record.config.salt)
      channels.set(record.id, { ...none, deposit: record.deposit, status: 'open', ...seen })
    },
    forget: (id: Hex) => channels.delete(id),
  }
}

const createBench = (...records: ChannelRecord[]) => createPricedBench(null, ...records)

async function createPricedBench(unitsPerCoin: bigint | null, ...records: ChannelRecord[]) {
  const fake = createFakeChain()
  for (const record of records) fake.know(record)
  const channels = await tableOf(...records)
  let nowMs = 1_000_000
  const clock: Clock = { now: () => nowMs, after: () => () => {} }
  const events: string[] = []
  const log = (event: string) => events.push(event)
  const keeper = createKeeper(
    { ...INIT, unitsPerCoin },
    { channels, chain: fake.chain, clock, log },
  )
  const get = async (n = 0) => {
    const { id } = existing(records[n], `${n}`)
    return existing(await channels.get(id), id)
  }
  const wait = (ms: number) => {
    nowMs += ms
  }
  return { ...fake, channels, keeper, events, get, wait, clock }
}

const SIG: Hex = `0x${'5a'.repeat(65)}`
const earned = (cumulative: bigint, init: Partial<ChannelRecord> = {}, salt = 1) =>
  testRecord('payee', { cumulative, signature: SIG, ...init }, salt)

describe('keeper.settle', () => {
  it('default: settles when it is worth it', async () => {
    const { keeper, sent, get } = await createBench(earned(600n), earned(400n, {}, 2))
    const done = await keeper.settle()
    expect(done).toMatchObject({ cause: 'worth-it', vouchers: 2, amount: 1_000n, skipped: [] })
    expect(sent).toHaveLength(1)
    expect(sent[0]?.[0]).toMatchObject({ cumulative: 600n, signature: SIG })
    expect(await get()).toMatchObject({ settled: 600n, cumulative: 600n })
    expect(await keeper.settle()).toBeNull()
    expect(await keeper.settle(true)).toBeNull()
  })

  it('behaviour: waits while it is not, and settles at once when asked', async () => {
    const { keeper, sent } = await createBench(earned(999n))
    expect(await keeper.settle()).toBeNull()
    expect(sent).toEqual([])
    expect(await keeper.settle(true)).toMatchObject({ cause: 'asked', amount: 999n })
  })

  it('behaviour: settles what is old, by the age of the oldest', async () => {
    const { keeper, channels, wait } = await createBench(earned(10n), earned(0n, {}, 2))
    expect(await keeper.settle()).toBeNull()
    wait(HOUR - 1)
    await channels.update(earned(0n, {}, 2).id, (old) => old && { ...old, cumulative: 5n })
    expect(await keeper.settle()).toBeNull()
    wait(1)
    expect(await keeper.settle()).toMatchObject({ cause: 'age', vouchers: 2 })
    // A voucher that came later has its own age.
    await channels.update(earned(10n).id, (old) => old && { ...old, cumulative: 11n })
    wait(HOUR)
    expect(await keeper.settle()).toBeNull()
  })

  it('behaviour: a restart does not make young what is old', async () => {
    const { keeper, wait, get, ...parts } = await createBench(earned(10n))
    // A keeper as a new process has it: it knows nothing but the table.
    const restart = () => createKeeper(INIT, { ...parts, log: () => {} })
    expect(await keeper.settle()).toBeNull()
    wait(HOUR - 1)
    expect(await restart().settle()).toBeNull()
    wait(1)
    expect(await restart().settle()).toMatchObject({ cause: 'age', vouchers: 1 })
    expect((await get()).owedSinceMs).toBeUndefined()
  })

  it('behaviour: settles at once when the other side wants to leave', async () => {
    const { keeper, know } = await createBench(earned(1n))
    know(earned(1n), { exitRequestedAt: 500 })
    expect(await keeper.settle()).toBeNull()
    await keeper.refresh()
    expect(await keeper.settle()).toMatchObject({ cause: 'exit-requested', amount: 1n })
  })

  it('behaviour: leaves alone what is not owed to this device', async () => {
    const { keeper, sent } = await createBench(
      testRecord('payer', { cumulative: 5_000n, signature: SIG }),
      earned(5_000n, { signature: null }, 2),
      earned(5_000n, { status: 'closed' }, 3),
      earned(5_000n, { settled: 5_000n }, 4),
    )
    expect(await keeper.settle(true)).toBeNull()
    expect(sent).toEqual([])
  })

  it('behaviour: counts skipped rows apart, and pays for the same voucher again only when asked', async () => {
    const [a, b] = [earned(800n), earned(700n, {}, 2)]
    const { keeper, skips, get } = await createBench(a, b)
    skips.add(b.id)
    expect(await keeper.settle()).toMatchObject({ vouchers: 1, amount: 800n, skipped: [b.id] })
    expect((await get(1)).settled).toBe(0n)
    skips.clear()
    expect(await keeper.settle()).toBeNull()
    expect(await keeper.settle(true)).toMatchObject({ vouchers: 1, amount: 700n, skipped: [] })
  })

  it('behaviour: a row that was skipped while its opening was reorganised away settles at the exit', async () => {
    const one = earned(800n)
    const { keeper, chain, skips, forget, know, get } = await createBench(one, earned(700n, {}, 2))
    const wellBehaved = { ...chain }
    skips.add(one.id)
    // Between the last look and the block that it settles in, the chain forgets the channel.
    chain.settleMany = async (rows) => {
      const done = await wellBehaved.settleMany(rows)
      forget(one.id)
      return done
    }
    expect(await keeper.settle()).toMatchObject({ vouchers: 1, skipped: [one.id] })
    expect(await get()).toMatchObject({ status: 'opening' })
    Object.assign(chain, wellBehaved)
    skips.clear()
    know(one, { exitRequestedAt: 500 })
    await keeper.refresh()
    expect(await keeper.settle()).toMatchObject({ cause: 'exit-requested', amount: 800n })
  })

  it('behaviour: a chain that is down changes nothing, and settling later works', async () => {
    const { keeper, setDown, get } = await createBench(earned(2_000n))
    const before = await get()
    setDown(true)
    await expect(keeper.settle()).rejects.toThrow(ChainError)
    expect(await get()).toEqual({ ...before, owedSinceMs: 1_000_000 })
    setDown(false)
    expect(await keeper.settle()).toMatchObject({ amount: 2_000n })
  })

  it('behaviour: a voucher that came while it settled is not lost', async () => {
    const { keeper, chain, channels, get } = await createBench(earned(1_000n))
    const before = { ...chain }
    chain.settleMany = async (rows) => {
      await channels.update(earned(0n).id, (old) => old && { ...old, cumulative: 1_500n })
      return before.settleMany(rows)
    }
    expect(await keeper.settle()).toMatchObject({ amount: 1_000n })
    expect(await get()).toMatchObject({ cumulative: 1_500n, settled: 1_000n })
    expect(unsettled(await get())).toBe(500n)
  })

  it('behaviour: a hundred rows at a time', async () => {
    const records = Array.from({ length: 101 }, (_, i) => earned(10n, {}, i))
    const { keeper, sent } = await createBench(...records)
    const done = await keeper.settle()
    expect(sent.map((rows) => rows.length)).toEqual([100, 1])
    expect(done).toMatchObject({ vouchers: 101, amount: 1_010n })
    expect(done?.transactions).toHaveLength(2)
  })
})

describe('keeper.refresh', () => {
  it('behaviour: a close that was reorganised away is noticed, until none can be any more', async () => {
    const record = earned(700n)
    const { keeper, know, get, wait, sent } = await createBench(record)
    const close = (status: 'open' | 'closed') =>
      know(record, { status, isCloseYoung: false, exitRequestedAt: status === 'open' ? 9 : 0 })
    close('closed')
    await keeper.refresh()
    expect(await get()).toMatchObject({ status: 'closed', closedAtMs: 1_000_000 })
    expect(await keeper.settle(true)).toBeNull()
    // Away for a day: what it saw once may have been undone since.
    wait(24 * HOUR)
    close('open')
    await keeper.refresh()
    expect(await get()).toMatchObject({ status: 'exiting' })
    expect((await get()).closedAtMs).toBeUndefined()
    expect(await keeper.settle()).toMatchObject({ cause: 'exit-requested', amount: 700n })
    expect(sent).toHaveLength(1)
    // Time alone does not make it certain: the chain may have stood still.
    know(record, { status: 'closed', isCloseYoung: true })
    await keeper.refresh()
    wait(24 * HOUR)
    await keeper.refresh()
    expect((await get()).closedAtMs).toBeUndefined()
    close('closed')
    await keeper.refresh()
    wait(HOUR)
    await keeper.refresh()
    const { seenAtMs } = await get()
    wait(HOUR)
    await keeper.refresh()
    // Seen again when it was certain: nothing more is asked for it.
    expect(await get()).toMatchObject({ status: 'closed', seenAtMs })
  })

  it('default: sees deposits, settlements and exits', async () => {
    const { keeper, know, get } = await createBench(earned(5n))
    know(earned(5n), { deposit: 77n, settled: 3n, exitRequestedAt: 9 })
    await keeper.refresh()
    expect(await get()).toMatchObject({
      deposit: 77n,
      settled: 3n,
      status: 'exiting',
      seenAtMs: 1_000_000,
    })
  })

  it('behaviour: a chain that is down leaves the old view, which ages', async () => {
    const { keeper, setDown, get, events } = await createBench(earned(5n))
    const before = await get()
    setDown(true)
    await keeper.refresh()
    expect(await get()).toEqual(before)
    expect(events).toEqual(['chain.unreachable'])
  })

  it('behaviour: a node that lags behind does not cost the vouchers', async () => {
    const { keeper, forget, know, get } = await createBench(earned(2_000n))
    forget(earned(0n).id)
    await keeper.refresh()
    expect(await get()).toMatchObject({ status: 'opening', deposit: 0n })
    expect(await keeper.settle(true)).toBeNull()
    know(earned(2_000n))
    await keeper.refresh()
    expect(await get()).toMatchObject({ status: 'open' })
    expect(await keeper.settle()).toMatchObject({ amount: 2_000n })
  })
})

describe('keeper that knows what gas costs', () => {
  const GWEI = 10n ** 9n
  /** A coin for 3,000 token units of a millionth each. */
  const COIN = 3_000_000_000n
  /** 20 times 44,300 gas for 0.1 gwei. */
  const WORTH = 265_800n

  it('default: settles what is worth 20 times its gas, and no less', async () => {
    for (const [owed, cause] of [
      [WORTH, 'worth-it'],
      [WORTH - 1n, undefined],
    ] as const) {
      const bench = await createPricedBench(COIN, earned(owed, { deposit: WORTH }))
      bench.setGasPrice(GWEI / 10n)
      expect((await bench.keeper.settle())?.cause).toBe(cause)
    }
  })

  it('behaviour: a spike of gas puts off what can wait, and no exit', async () => {
    const bench = await createPricedBench(COIN, earned(WORTH, { deposit: WORTH }))
    bench.setGasPrice(50n * GWEI)
    expect(await bench.keeper.settle()).toBeNull()
    bench.wait(HOUR)
    expect(await bench.keeper.settle()).toMatchObject({ cause: 'age' })
    const exit = await createPricedBench(COIN, earned(1n, { status: 'exiting' }))
    exit.setGasPrice(50n * GWEI)
    expect(await exit.keeper.settle()).toMatchObject({ cause: 'exit-requested', amount: 1n })
  })

  it('behaviour: two channels share the gas of one transaction', async () => {
    const rows = [earned(WORTH / 2n + 60_000n), earned(WORTH / 2n + 60_000n, {}, 2)]
    const bench = await createPricedBench(
      COIN,
      ...rows.map((row) => ({ ...row, deposit: 10n * WORTH })),
    )
    bench.setGasPrice(GWEI / 10n)
    expect(await bench.keeper.settle()).toMatchObject({ cause: 'worth-it', vouchers: 2 })
    expect(bench.sent).toHaveLength(1)
  })
})

describe('seeChannel', () => {
  it('default: the chain’s word counts', () => {
    const seen = { deposit: 5n, confirmedDeposit: 4n, settled: 1n, isCloseYoung: false }
    const of = (status: ChannelOnChain['status'], exitRequestedAt = 0) =>
      seeChannel(testRecord('payee'), { ...seen, status, exitRequestedAt }, 7).status
    expect([of('open'), of('open', 3), of('closed'), of('closed', 3), of('none')]).toEqual([
      'open',
      'exiting',
      'closed',
      'closed',
      'opening',
    ])
  })
})

describe('unsettled', () => {
  it('default: what the contract would pay now', () => {
    expect(unsettled(earned(50n, { settled: 20n }))).toBe(30n)
    expect(unsettled(earned(50n, { deposit: 40n, settled: 20n }))).toBe(20n)
    expect(unsettled(earned(10n, { settled: 20n }))).toBe(0n)
  })
})
