import { UNLIMITED } from '@freehold/core/clearing/budget'
import type { WarmLimits } from '@freehold/core/device/warm-channels'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTown, question, type Town, termsOn, toyEngine } from './town.fixture.ts'

const FEE = 2_000n
let town: Town
let lender: Awaited<ReturnType<Town['lender']>>
let other: Awaited<ReturnType<Town['lender']>>

beforeAll(async () => {
  town = await createTown()
  const payment = termsOn(town.chain.settings, { relayFee: Number(FEE) })
  lender = await town.lender({ payment, device: { engine: toyEngine() } })
  other = await town.lender({ payment, device: { engine: toyEngine() } })
})
afterAll(() => town[Symbol.asyncDispose]())

const addressOf = ({ lending }: typeof lender) => lending.addresses()[0] ?? ''

async function newcomer(perDay: bigint | null, named: readonly (typeof lender)[] = []) {
  const warm: WarmLimits = {
    ...{ total: 100_000n, perLender: 40_000n, channels: 8 },
    lenders: named.map(addressOf),
  }
  const ceilings = { ...UNLIMITED, perDay }
  const { device } = await town.inhabitant({ engine: toyEngine(), warm, ceilings })
  const known = await device.peers.ask(addressOf(lender))
  const rows = async () => (await device.tables.channels.list()).map(([, row]) => row)
  return { device, known, rows }
}

describe('what relayers ask', () => {
  it('default: a background opening counts in the day, and stops at its ceiling', async () => {
    const { device, rows } = await newcomer(2n * FEE - 1n, [lender, other])
    expect(await device.warm.tend()).toHaveLength(1)
    expect(await device.budget.spent()).toBe(FEE)
    expect((await rows()).filter(({ status }) => status === 'open')).toMatchObject([
      { relayFee: FEE },
    ])
    expect((await rows()).filter(({ status }) => status === 'opening')).toMatchObject([
      { relayFee: 0n },
    ])
  })

  it('behaviour: what is above the ceiling opens nothing, for an answer neither', async () => {
    const { device, rows } = await newcomer(FEE - 1n, [lender])
    expect(await device.warm.tend()).toEqual([])
    expect(await device.budget.spent()).toBe(0n)
    expect((await rows()).every(({ status, relayFee }) => status === 'opening' && !relayFee)).toBe(
      true,
    )
    const low = await newcomer(FEE - 1n)
    await expect(low.device.complete(question())).rejects.toThrow(/a relayer may cost 2000.*1999/s)
    expect((await low.device.balances()).wallet).toBe(5_000_000n)
  })

  it('behaviour: an answer and its opening stay below the day’s ceiling together', async () => {
    const { device } = await newcomer(FEE + 40n)
    await expect(device.complete(question({ maxTokens: 100 }))).rejects.toThrow(
      /a relayer may cost 2000 token units, and 106 are spent within a day/,
    )
    expect(await device.budget.spent()).toBe(0n)
  })

  it('behaviour: orders count too, and what a relayer refused is given back', async () => {
    const { device } = await newcomer(3n * FEE - 1n)
    await device.wallet.deposit({ amount: 50_000n })
    expect(await device.budget.spent()).toBe(FEE)
    const to = device.identity!.wallet.address
    await device.wallet.withdraw({ to, amount: 10n })
    await expect(device.wallet.withdraw({ to, amount: 10n })).rejects.toThrow(/you let a day cost/)
    expect(await device.budget.spent()).toBe(2n * FEE)
    // The token moves nothing to nobody's address: the relayer's simulation says so.
    const rich = await newcomer(null)
    await rich.device.wallet.deposit({ amount: 50_000n })
    const lost = rich.device.wallet.withdraw({ to: `0x${'0'.repeat(40)}`, amount: 10n })
    await expect(lost).rejects.toThrow(/nobody/)
    expect(await rich.device.budget.spent()).toBe(FEE)
  })

  it('behaviour: what a person agreed to is not refused, and counts', async () => {
    const { device, known } = await newcomer(1n)
    await device.channels.open(known, 40_000n, { agree: () => true })
    expect(await device.budget.spent()).toBe(FEE)
    await device.wallet.deposit({ amount: 50_000n, agree: ({ fee }) => fee <= FEE })
    expect(await device.budget.spent()).toBe(2n * FEE)
  })

  it('behaviour: who did not open a channel is owed nothing for showing it', async () => {
    const { device, known, rows } = await newcomer(null)
    await town.chain.fund(device.identity!.wallet.address, '1')
    await device.channels.open(known, 40_000n)
    await device.channels.open(known, 40_000n)
    expect(await device.budget.spent()).toBe(0n)
    expect((await rows()).every(({ relayFee }) => relayFee === 0n)).toBe(true)
  })

  it('behaviour: leaving is free, and waits for no ceiling', async () => {
    const { device, known } = await newcomer(1n)
    const { record } = await device.channels.open(known, 40_000n, { agree: () => true })
    expect(await device.channels.leave(record.id)).toMatchObject({ kind: 'requestClose', fee: 0n })
  })
})
