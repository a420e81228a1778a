/**
 * What went wrong in other payment-channel systems, and the rules drawn from it: one test a row. Rows
 * that need a chain or a network stand beside what they concern.
 */
import { describe, expect, it } from 'vitest'
import { from0x, to0x } from '../bytes.ts'
import { existing, type Table } from '../storage.ts'
import type { VoucherFrame } from '../wire/frames.ts'
import type { ChannelOnChain } from './chain.ts'
import { SIGNER, tableOf, testRecord } from './channel.fixture.ts'
import type { ChannelRecord } from './channel.ts'
import { seeChannel } from './keeper.ts'
import { acceptAmount, acceptVoucher, openAnswerPayee } from './payee.ts'
import { openAnswerPayer } from './payer.ts'
import { signVoucher } from './voucher.ts'

const PRICES = { prompt: 1_000_000, cached: 0, output: 1_000_000 }
const { id } = testRecord('payer')
const answer = (n: number, maxTokens = 100) => ({
  reqId: new Uint8Array(16).fill(n),
  prices: PRICES,
  promptTokens: 5,
  maxTokens,
  startedAtMs: 0,
})

async function voucherOf(
  cumulative: bigint,
  tokens: number,
  { n = 0, channel = testRecord('payer') } = {},
): Promise<VoucherFrame> {
  const sig = await signVoucher(SIGNER, channel, cumulative)
  const work = { reqId: new Uint8Array(16).fill(n), tokens, runningHash: new Uint8Array(32) }
  return { channelId: from0x(channel.id), cumulative, sig, ...work }
}

const rowOf = async (table: Table<ChannelRecord>) => existing(await table.get(id), id)

describe('bugs of others', () => {
  it('behaviour: row “forced close not noticed”: an exit is never hidden by an earlier look', () => {
    const open: ChannelOnChain = {
      ...{ deposit: 10n, confirmedDeposit: 10n, settled: 0n },
      ...{ status: 'open', isCloseYoung: false, exitRequestedAt: 0 },
    }
    const before = seeChannel(testRecord('payee'), open, 1)
    const after = seeChannel(before, { ...open, exitRequestedAt: 5 }, 2)
    expect([before.status, after.status, after.seenAtMs]).toEqual(['open', 'exiting', 2])
  })

  it('behaviour: row “concurrent replays executed more than was paid”: one of many counts', async () => {
    const payees = await tableOf(testRecord('payee'))
    const payee = await openAnswerPayee(payees, id, answer(0))
    const voucher = await voucherOf(15n, 10)
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => payee.accept(voucher)))
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await rowOf(payees)).cumulative).toBe(15n)
  })

  it('behaviour: row “vouchers counted as billable content”: taking one makes nothing due', async () => {
    const payees = await tableOf(testRecord('payee'))
    const payee = await openAnswerPayee(payees, id, answer(0))
    await payee.sign(10)
    const due = await payee.due()
    await payee.accept(await voucherOf(15n, 10))
    expect(await payee.due()).toBe(due)
  })

  it('behaviour: row “usable by another requester”: it pays for no other answer or channel', async () => {
    const payees = await tableOf(testRecord('payee'))
    await openAnswerPayee(payees, id, answer(0))
    await openAnswerPayee(payees, id, answer(1))
    await acceptVoucher(payees, id, await voucherOf(15n, 10))
    const stolen = await voucherOf(15n, 10, { n: 1 })
    await expect(acceptVoucher(payees, id, stolen)).rejects.toThrow(/due are 30/)
    const other = await voucherOf(99n, 10, { channel: testRecord('payer', {}, 2) })
    await expect(acceptVoucher(payees, id, other)).rejects.toThrow(/another channel/)
  })

  it('behaviour: row “usable after settlement”: at or below what is settled it brings nothing', async () => {
    const settled = testRecord('payee', { cumulative: 15n, settled: 15n, paidRaw: 15_000_000n })
    const payees = await tableOf(settled)
    await expect(acceptAmount(payees, id, await voucherOf(15n, 0))).rejects.toThrow(/before/)
    await openAnswerPayee(payees, id, answer(1))
    const again = await voucherOf(15n, 10, { n: 1 })
    await expect(acceptVoucher(payees, id, again)).rejects.toThrow(/due are 30/)
  })

  it.each(['opening', 'exiting', 'closed'] as const)(
    'behaviour: row “stale channel reuse”: nothing is signed on one that is %s',
    async (status) => {
      const payers = await tableOf(testRecord('payer', { status }))
      await expect(openAnswerPayer(payers, SIGNER, id, answer(0))).rejects.toThrow(/pays nothing/)
    },
  )

  it('behaviour: row “top-up counted twice”: the deposit is what the chain says, however often', () => {
    const seen: ChannelOnChain = {
      ...{ deposit: 700n, confirmedDeposit: 700n, settled: 1n },
      ...{ status: 'open', isCloseYoung: false, exitRequestedAt: 0 },
    }
    let record = testRecord('payee', { deposit: 200n })
    for (let i = 0; i < 3; i++) record = seeChannel(record, seen, i)
    expect(record.deposit).toBe(700n)
  })

  it('behaviour: row “race double-spend”: parallel answers reserve one deposit once', async () => {
    const payers = await tableOf(testRecord('payer', { deposit: 150n }))
    const started = await Promise.allSettled(
      [0, 1, 2].map((n) => openAnswerPayer(payers, SIGNER, id, answer(n))),
    )
    expect(started.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('rules of state', () => {
  it('behaviour: rule “atomic per-channel store”: what throws in a change leaves the row', async () => {
    const payees = await tableOf(testRecord('payee'))
    await openAnswerPayee(payees, id, answer(0))
    const before = await rowOf(payees)
    await expect(acceptVoucher(payees, id, await voucherOf(1n, 10))).rejects.toThrow(/due are/)
    expect(await rowOf(payees)).toEqual(before)
  })

  it('behaviour: rule “reserve, commit, emit”: the amount is on disk when a voucher leaves', async () => {
    const payers = await tableOf(testRecord('payer'))
    const payer = await openAnswerPayer(payers, SIGNER, id, answer(0))
    expect((await rowOf(payers)).answers).not.toEqual({})
    const { cumulative } = await payer.pay(10, new Uint8Array(32))
    expect((await rowOf(payers)).cumulative).toBe(cumulative)
  })

  it('behaviour: rule “persist before serving”: a voucher that cannot be kept is not taken', async () => {
    const payees = await tableOf(testRecord('payee'))
    await openAnswerPayee(payees, id, answer(0))
    const full: Table<ChannelRecord> = {
      ...payees,
      update: () => Promise.reject(new Error('disk full')),
    }
    await expect(acceptVoucher(full, id, await voucherOf(15n, 10))).rejects.toThrow('disk full')
  })

  it('behaviour: rule “signature first”: a forged replay is told nothing but that', async () => {
    const payees = await tableOf(testRecord('payee'))
    await openAnswerPayee(payees, id, answer(0))
    const voucher = await voucherOf(15n, 10)
    await acceptVoucher(payees, id, voucher)
    const forged = { ...voucher, sig: voucher.sig.with(3, (voucher.sig[3] ?? 0) ^ 1) }
    await expect(acceptVoucher(payees, id, forged)).rejects.toThrow(/does not hold/)
    await expect(acceptAmount(payees, id, forged)).rejects.toThrow(/does not hold/)
  })

  it('behaviour: rule “only own corrections”: a channel of unknown amount signs nothing', async () => {
    const payers = await tableOf(testRecord('payer', { isRecovered: true }))
    await expect(openAnswerPayer(payers, SIGNER, id, answer(0))).rejects.toThrow(/pays nothing/)
  })

  it('behaviour: rule “close pending before the transaction”: no answer begins on a channel being left', async () => {
    const payers = await tableOf(testRecord('payer'))
    const running = await openAnswerPayer(payers, SIGNER, id, answer(0))
    await payers.update(id, (old) => ({ ...existing(old, id), isLeaving: true }))
    const open: ChannelOnChain = {
      ...{ deposit: 10_000n, confirmedDeposit: 10_000n, settled: 0n },
      ...{ status: 'open', isCloseYoung: false, exitRequestedAt: 0 },
    }
    // A node that lags behind does not undo it.
    await payers.update(id, (old) => seeChannel(existing(old, id), open, 2))
    await expect(openAnswerPayer(payers, SIGNER, id, answer(1))).rejects.toThrow(/being left/)
    // What it began before is still paid.
    expect((await running.pay(10, new Uint8Array(32))).cumulative).toBe(15n)
  })

  it('behaviour: rule “one row, many streams”: a voucher replaces a lower one and never a higher', async () => {
    const payees = await tableOf(testRecord('payee'))
    await openAnswerPayee(payees, id, answer(0))
    await openAnswerPayee(payees, id, answer(1))
    const high = await voucherOf(30n, 10, { n: 1 })
    await acceptVoucher(payees, id, high)
    await acceptVoucher(payees, id, await voucherOf(15n, 10))
    expect(await rowOf(payees)).toMatchObject({ cumulative: 30n, signature: to0x(high.sig) })
  })
})
