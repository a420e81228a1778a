import { settleExits, vouchersToWatch } from '@freehold/core/clearing/watch'
import type { Device } from '@freehold/core/device/device'
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
  const vouchers = await vouchersToWatch(records)
  const owed = records[0]?.cumulative ?? 0n
  expect(owed).toBeGreaterThan(0n)
  await lender.lending[Symbol.asyncDispose]()

  const chain = chainOf(watcher.device)
  expect(await settleExits(vouchers, chain)).toBeNull()
  await borrower.device.channels.leave(channel.id)
  const forged = vouchers.map((one) => ({ ...one, signature: `0x${'11'.repeat(65)}` as const }))
  expect(await settleExits(forged, chain)).toMatchObject({ vouchers: 0, skipped: [channel.id] })
  expect(await settleExits(vouchers, chain)).toMatchObject({ vouchers: 1, skipped: [] })
  expect((await chain.balances(accountOf(lender.device))).ledger).toBe(owed)
  expect((await chain.balances(accountOf(watcher.device))).ledger).toBe(0n)
  expect(await settleExits(vouchers, chain)).toBeNull()
})
