import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  accountOf,
  befriend,
  channels,
  createTown,
  question,
  type Town,
  toyEngine,
} from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(() => town[Symbol.asyncDispose]())

const CONFIRMATIONS = 3
/** Enough for an answer of a few tokens, not for one of forty. */
const MAX_YOUNG = 25n

/** A lender that trusts deposits when they are three blocks deep, and a borrower with a new channel. */
async function couple() {
  const chain = { ...town.chain.settings, confirmations: CONFIRMATIONS }
  const lender = await town.lender({ maxYoung: MAX_YOUNG, device: { engine: toyEngine(), chain } })
  const borrower = await town.inhabitant({ engine: toyEngine() })
  const takeBack = await town.chain.remember()
  const { channel } = await befriend(borrower.device, lender.lending)
  const keeper = lender.device.keeper
  if (keeper === null) throw new Error('a lender has a keeper')
  const ask = async (maxTokens: number) => {
    const { error, settled } = await borrower.device.complete(question({ maxTokens }))
    await settled
    await borrower.device.borrowing.idle()
    if (error !== null) throw error
  }
  const rows = () => channels(borrower.device, lender.device)
  return { lender, borrower, channel, keeper, takeBack, ask, rows }
}

describe('young channels', () => {
  it('default: a deposit counts in part at once, and whole when it is deep enough', async () => {
    const { keeper, ask, rows } = await couple()
    expect((await rows()).payee).toMatchObject({ status: 'open', confirmedDeposit: 0n })
    await ask(4)
    await expect(ask(40)).rejects.toThrow(/count yet/)
    await town.chain.advance(1, CONFIRMATIONS - 1)
    await keeper.refresh()
    await expect(ask(40)).rejects.toThrow(/count yet/)
    await town.chain.advance(1)
    await keeper.refresh()
    const { payee } = await rows()
    expect(payee.confirmedDeposit).toBe(payee.deposit)
    await ask(40)
  })

  it('behaviour: many keys have no more than one: there is one cap for all of them', async () => {
    const { lender, ask, keeper } = await couple()
    await ask(4)
    const others: (() => Promise<void>)[] = []
    for (let i = 0; i < 3; i++) {
      const { device } = await town.inhabitant({ engine: toyEngine() })
      await befriend(device, lender.lending)
      others.push(async () => {
        const { error, settled } = await device.complete(question({ maxTokens: 4 }))
        await settled
        await device.borrowing.idle()
        if (error !== null) throw error
      })
    }
    const outcomes = await Promise.allSettled(others.map((one) => one()))
    const served = outcomes.filter(({ status }) => status === 'fulfilled')
    const refused = outcomes.filter((one) => one.status === 'rejected')
    expect(served.length).toBeGreaterThan(0)
    expect(refused.length).toBeGreaterThan(0)
    for (const { reason } of refused) expect(String(reason)).toMatch(/count yet/)
    const rows = (await lender.device.tables.channels.list()).map(([, row]) => row)
    const trusted = rows.reduce((sum, { cumulative }) => sum + cumulative, 0n)
    expect(trusted).toBeLessThanOrEqual(MAX_YOUNG)
    await town.chain.advance(1, CONFIRMATIONS)
    await keeper.refresh()
    await Promise.all(others.map((one) => one()))
  })

  it('behaviour: an opening that is reorganised away is served no more, and its vouchers stay', async () => {
    const { lender, keeper, takeBack, ask, rows } = await couple()
    await ask(4)
    const before = (await rows()).payee
    expect(before.cumulative).toBeGreaterThan(0n)
    await takeBack()
    await keeper.refresh()
    const after = (await rows()).payee
    expect(after).toMatchObject({ status: 'opening', deposit: 0n, confirmedDeposit: 0n })
    expect(after).toMatchObject({ cumulative: before.cumulative, signature: before.signature })
    await expect(ask(4)).rejects.toThrow(/opening/)
    expect(await keeper.settle(true)).toBeNull()
    expect((await lender.device.balances()).ledger).toBe(0n)
  })

  it('behaviour: a close that is reorganised away is noticed, and what is owed is settled after all', async () => {
    const { lender, borrower, channel, keeper, ask, rows } = await couple()
    await town.chain.fund(accountOf(borrower.device), '1')
    await ask(4)
    const owed = (await rows()).payee.cumulative
    await borrower.device.channels.leave(channel.id)
    await town.chain.advance(172_801)
    const takeBack = await town.chain.remember()
    // The lender was away: what it holds was settled by nobody, and the close takes it.
    await borrower.device.channels.leave(channel.id)
    await keeper.refresh()
    await borrower.device.keeper?.refresh()
    expect(await rows()).toMatchObject({ payer: { status: 'closed' }, payee: { status: 'closed' } })
    expect(await keeper.settle()).toBeNull()
    await takeBack()
    await keeper.refresh()
    await borrower.device.keeper?.refresh()
    const after = await rows()
    expect(after).toMatchObject({ payer: { status: 'exiting' }, payee: { status: 'exiting' } })
    expect(after.payee.closedAtMs).toBeUndefined()
    expect(await keeper.settle()).toMatchObject({ cause: 'exit-requested', amount: owed })
    expect((await lender.device.balances()).ledger).toBe(owed)

    // It counts as closed for good only once it is deep, however long that takes.
    await borrower.device.channels.leave(channel.id)
    await keeper.refresh()
    const young = (await rows()).payee
    expect([young.status, young.closedAtMs]).toEqual(['closed', undefined])
    await town.chain.advance(1, CONFIRMATIONS)
    await keeper.refresh()
    expect((await rows()).payee.closedAtMs).toBeGreaterThan(0)
  })

  it('behaviour: a settlement that is reorganised away is sent again, and pays once', async () => {
    const { lender, keeper, ask, rows } = await couple()
    await ask(4)
    const owed = (await rows()).payee.cumulative
    const takeBack = await town.chain.remember()
    expect(await keeper.settle(true)).toMatchObject({ amount: owed })
    await town.chain.advance(1, 2)
    await takeBack()
    expect((await lender.device.balances()).ledger).toBe(0n)
    await keeper.refresh()
    expect((await rows()).payee.settled).toBe(0n)
    expect(await keeper.settle(true)).toMatchObject({ amount: owed })
    expect(await keeper.settle(true)).toBeNull()
    expect((await lender.device.balances()).ledger).toBe(owed)
  })
})
