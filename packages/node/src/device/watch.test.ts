import { settleWatched, vouchersToWatch } from '@freehold/core/clearing/watch'
import type { Device } from '@freehold/core/device/device'
import { systemClock } from '@freehold/core/platform'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { accountOf, befriend, createTown, question, type Town, toyEngine } from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(() => town[Symbol.asyncDispose]())

const chainOf = ({ chain }: Device) => {
  if (chain === null) throw new Error('this device has no chain')
  return chain
}

it('default: a watcher settles for a lender that is away when its borrower leaves', async () => {
  const lender = await town.lender({ device: { engine: toyEngine() } })
  const borrower = await town.inhabitant({ engine: toyEngine() })
  const watcher = await town.inhabitant()
  await town.chain.fund(accountOf(watcher.device), '1')
  await town.chain.fund(accountOf(borrower.device), '1')
  const { channel } = await befriend(borrower.device, lender.lending)
  const { settled } = await borrower.device.complete(question())
  await settled
  await borrower.device.borrowing.idle()

  const records = (await lender.device.tables.channels.list()).map(([, record]) => record)
  const vouchers = await vouchersToWatch(records, systemClock)
  const owed = records[0]?.cumulative ?? 0n
  expect(owed).toBeGreaterThan(0n)
  await lender.lending[Symbol.asyncDispose]()

  const chain = chainOf(watcher.device)
  const parts = { chain, clock: systemClock }
  expect(await settleWatched(vouchers, parts)).toBeNull()
  await borrower.device.channels.leave(channel.id)
  const forged = vouchers.map((one) => ({ ...one, signature: `0x${'11'.repeat(65)}` as const }))
  expect(await settleWatched(forged, parts)).toMatchObject({ vouchers: 0, skipped: [channel.id] })
  expect(await settleWatched(vouchers, parts)).toMatchObject({ vouchers: 1, skipped: [] })
  expect((await chain.balances(accountOf(lender.device))).ledger).toBe(owed)
  expect((await chain.balances(accountOf(watcher.device))).ledger).toBe(0n)
  expect(await settleWatched(vouchers, parts)).toBeNull()
})

it('behaviour: what is owed for long is settled too, and what is younger goes along', async () => {
  const lender = await town.lender({ device: { engine: toyEngine() } })
  const watcher = await town.inhabitant()
  await town.chain.fund(accountOf(watcher.device), '1')
  for (const _ of [1, 2]) {
    const { device } = await town.inhabitant({ engine: toyEngine() })
    await befriend(device, lender.lending)
    await (await device.complete(question())).settled
    await device.borrowing.idle()
  }
  const records = (await lender.device.tables.channels.list()).map(([, record]) => record)
  const owed = records.reduce((sum, { cumulative }) => sum + cumulative, 0n)
  const [old, young] = records
  if (!old || !young) throw new Error('there are two channels')
  // As its keeper noted it when it saw it first.
  const noted = [
    { ...old, owedSinceMs: 1_000 },
    { ...young, owedSinceMs: 4_000 },
  ]
  const vouchers = await vouchersToWatch(noted, systemClock)
  const chain = chainOf(watcher.device)
  const at = (nowMs: number) => ({ chain, clock: { ...systemClock, now: () => nowMs } })
  expect(await settleWatched(vouchers, at(100_000))).toBeNull()
  expect(await settleWatched(vouchers, at(5_999), { maxAgeMs: 5_000 })).toBeNull()
  const done = await settleWatched(vouchers, at(6_000), { maxAgeMs: 5_000 })
  expect(done).toMatchObject({ vouchers: 2, skipped: [] })
  expect((await chain.balances(accountOf(lender.device))).ledger).toBe(owed)
  expect(await settleWatched(vouchers, at(100_000), { maxAgeMs: 5_000 })).toBeNull()
})
