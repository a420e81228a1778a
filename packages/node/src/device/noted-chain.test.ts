/** What devices write down of their transactions, held against what their accounts lost. */
import type { Device } from '@freehold/core/device/device'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMembers, type Member, owe } from './set-off.fixture.ts'
import {
  accountOf,
  befriend,
  createTown,
  question,
  type Town,
  termsOn,
  toyEngine,
} from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(() => town[Symbol.asyncDispose]())

const noted = async ({ tables }: Device) => (await tables.transactions.list()).map(([, row]) => row)
const purposes = async (device: Device) =>
  (await noted(device)).map(({ purpose }) => purpose).sort()

/** Wei that went between a funding of one coin and now. */
async function lost(device: Device): Promise<bigint> {
  return 10n ** 18n - (await device.balances()).native
}
async function expectToTheWei(device: Device): Promise<void> {
  const rows = await noted(device)
  const fees = rows.reduce((sum, { feeWei }) => sum + feeWei, 0n)
  expect(fees).toBeGreaterThan(0n)
  expect(fees).toBe(await lost(device))
}

// First: the chain's clock runs ahead below, and acknowledgements hold for a while only.
describe('a set-off', () => {
  it('default: is noted once, at the device that submitted it', async () => {
    const [one, other] = (await createMembers(town, [{}, {}])) as [Member, Member]
    await owe(one, other, 20)
    await owe(other, one, 20)
    const { rings } = await one.device.setOff.round()
    expect(rings).toMatchObject([{ result: 'done' }])
    const [row] = (await noted(one.device)).filter(({ purpose }) => purpose === 'set-off')
    expect(row?.hash).toBe(rings[0]?.transaction)
    expect(await purposes(other.device)).not.toContain('set-off')
    await expectToTheWei(one.device)
  })
})

describe('transactions that are noted', () => {
  it('default: each by its hash and purpose, to the wei that the account paid', async () => {
    const lender = await town.lender({ device: { engine: toyEngine() } })
    const { device } = await town.inhabitant({ engine: toyEngine() })
    const { channel } = await befriend(device, lender.lending)
    expect(await noted(device)).toEqual([])
    await (await device.complete(question())).settled
    await device.borrowing.idle()
    await town.chain.fund(accountOf(device), '1')
    await device.wallet.topUp({ channel: channel.id, amount: 5n })
    await device.channels.leave(channel.id)
    await lender.device.keeper?.settle(true)
    await town.chain.advance(172_801)
    await device.channels.leave(channel.id)
    await device.wallet.deposit({ amount: 100_000n })
    await befriend(device, lender.lending, 90_000n)
    await device.wallet.withdraw({ to: accountOf(device), amount: 'all' })
    expect(await purposes(device)).toEqual([
      ...['deposit', 'leave', 'open', 'refund', 'top-up', 'withdraw'],
    ])
    // The opening was another's, who had no coin.
    expect(await purposes(lender.device)).toEqual(['relay', 'settle'])
    await expectToTheWei(device)
    await expectToTheWei(lender.device)
    for (const [hash, row] of await device.tables.transactions.list()) {
      expect(row.hash).toBe(hash)
      expect(row.gasUsed).toBeGreaterThan(21_000n)
    }
  })

  it('behaviour: what is submitted for others is told apart from one’s own', async () => {
    const payment = termsOn(town.chain.settings, { relayFee: 20_000 })
    const relayer = await town.lender({ payment, device: { engine: toyEngine() } })
    const { device } = await town.inhabitant({ engine: toyEngine() })
    await device.peers.ask(relayer.lending.addresses()[0] ?? '')
    await device.wallet.deposit({ amount: 100_000n, agree: () => true })
    expect(await noted(device)).toEqual([])
    expect(await purposes(relayer.device)).toEqual(['relay'])
    await expectToTheWei(relayer.device)
  })
})
