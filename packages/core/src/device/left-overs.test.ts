import { describe, expect, it } from 'vitest'
import { from0x, fromHex, toHex } from '../bytes.ts'
import type { AnswerMeter, ChannelRecord } from '../clearing/channel.ts'
import { acceptVoucher } from '../clearing/payee.ts'
import { signVoucher } from '../clearing/voucher.ts'
import {
  borrower,
  CHANNEL,
  createFixture,
  createHand,
  DEADLINES,
  HOLD_BACK_MS,
  lender,
} from '../lending/lending.fixture.ts'
import { createMemoryStorage } from '../storage.memory.ts'
import type { VoucherFrame } from '../wire/frames.ts'
import { endBorrowedLeftOvers, endLentLeftOvers } from './left-overs.ts'
import type { Parts } from './parts.ts'

const LIFE_MS = DEADLINES.handshakeMs + DEADLINES.totalMs + 5_001

/** Both channels of an answer whose processes both died after so many tokens were signed and paid. */
async function createWreck(left: Partial<AnswerMeter> = {}) {
  const fixture = createFixture()
  const startedAtMs = fixture.clock.now()
  const meter: AnswerMeter = {
    ...{ prices: { prompt: 200_000, cached: 20_000, output: 1_000_000 }, promptTokens: 3 },
    ...{ cachedTokens: 0, maxTokens: 40, signedTokens: 0, paidTokens: 0, isPromptPaid: false },
    ...{ state: 'streaming', holdBackUntilMs: null, startedAtMs, ...left },
  }
  // Waits until the fixture's own writes are done.
  const [near] = createHand()
  await fixture.borrow(near, { signal: AbortSignal.abort() }).catch(() => {})
  const withMeter = (old?: ChannelRecord) => old && { ...old, answers: { [fixture.id]: meter } }
  await fixture.paying.update(CHANNEL, withMeter)
  await fixture.earning.update(CHANNEL, withMeter)
  const storage = createMemoryStorage()
  const tables = {
    channels: fixture.paying,
    answers: storage.table('answers'),
    lent: storage.table('lent'),
    standing: storage.table('standing'),
  } as unknown as Parts['tables']
  const row = {
    id: fixture.id,
    startedAtMs,
    end: 'running',
    tokens: left.signedTokens ?? 0,
    payment: 'open',
    evidence: null,
  }
  await tables.answers.put(fixture.id, row as never)
  const parts = {
    tables,
    clock: fixture.clock,
    deadlines: DEADLINES,
    identity: borrower,
    log: () => {},
  } as unknown as Parts
  return {
    fixture,
    tables,
    recover: () => endBorrowedLeftOvers(parts),
    kept: async (): Promise<VoucherFrame[]> => {
      const record = await fixture.payerChannel()
      const { cumulative } = record
      const sig = await signVoucher(borrower.voucherSigner, record, cumulative)
      const channelId = from0x(CHANNEL)
      return Object.entries(record.undelivered).map(([reqId, work]) => ({
        ...{ channelId, cumulative, sig, reqId: fromHex(reqId), ...work },
      }))
    },
    lent: async () => {
      const { clock } = fixture
      const init = { nowMs: clock.now(), holdBackMs: HOLD_BACK_MS, deadlines: DEADLINES }
      await fixture.earning.update(CHANNEL, (old) => old && endLentLeftOvers(old, init))
      return fixture.payeeChannel()
    },
  }
}

describe('left-overs of a borrower', () => {
  it('default: what is signed is owed, once, with a voucher for later', async () => {
    const wreck = await createWreck({ signedTokens: 20, paidTokens: 8, isPromptPaid: true })
    wreck.fixture.clock.pass(LIFE_MS)
    await wreck.recover()
    await wreck.recover()
    expect(await wreck.kept()).toMatchObject([{ tokens: 20, cumulative: 21n }])
    const { answers, cumulative } = await wreck.fixture.payerChannel()
    expect([answers, cumulative]).toEqual([{}, 21n])
    expect(await wreck.tables.answers.get(wreck.fixture.id)).toMatchObject({
      end: 'lost',
      payment: 'paid',
      tokens: 20,
    })
    const kept = await wreck.kept()
    await acceptVoucher(wreck.fixture.earning, CHANNEL, kept[0]!)
    expect((await wreck.fixture.payeeChannel()).cumulative).toBe(21n)
    const again = acceptVoucher(wreck.fixture.earning, CHANNEL, kept[0]!)
    await expect(again).rejects.toThrow()
  })

  it('behaviour: an answer that may still run is left alone', async () => {
    const wreck = await createWreck({ signedTokens: 20 })
    wreck.fixture.clock.pass(LIFE_MS - 1)
    await wreck.recover()
    expect(await wreck.kept()).toEqual([])
    const { answers } = await wreck.fixture.payerChannel()
    expect(answers[wreck.fixture.id]).toMatchObject({ state: 'streaming' })
  })

  it('behaviour: an answer without a token costs nothing and frees its reservation', async () => {
    const wreck = await createWreck()
    wreck.fixture.clock.pass(LIFE_MS)
    await wreck.recover()
    expect(await wreck.kept()).toEqual([])
    const { answers, cumulative } = await wreck.fixture.payerChannel()
    expect([answers, cumulative]).toEqual([{}, 0n])
  })

  it('behaviour: a hold-back is paid when its deadline is well past', async () => {
    const wreck = await createWreck({ state: 'held', signedTokens: 6, isPromptPaid: true })
    const holdBackUntilMs = wreck.fixture.clock.now()
    await wreck.fixture.paying.update(CHANNEL, (old) => {
      const meter = old!.answers[wreck.fixture.id]!
      return { ...old!, answers: { [wreck.fixture.id]: { ...meter, holdBackUntilMs } } }
    })
    wreck.fixture.clock.pass(5_000)
    await wreck.recover()
    expect(await wreck.kept()).toEqual([])
    wreck.fixture.clock.pass(1)
    await wreck.recover()
    expect(await wreck.kept()).toMatchObject([{ tokens: 6, cumulative: 7n }])
  })

  it('behaviour: a convicted lender gets nothing more', async () => {
    const wreck = await createWreck({ signedTokens: 20, paidTokens: 8, isPromptPaid: true })
    await wreck.tables.standing.update(
      toHex(lender.device),
      () => ({ refusedBecause: 'x' }) as never,
    )
    wreck.fixture.clock.pass(LIFE_MS)
    await wreck.recover()
    expect(await wreck.kept()).toEqual([])
    const { answers } = await wreck.fixture.payerChannel()
    expect(answers[wreck.fixture.id]).toMatchObject({ state: 'withheld' })
  })
})

describe('left-overs of a lender', () => {
  it('default: an answer left streaming is held, and may still be paid in full', async () => {
    const wreck = await createWreck({ paidTokens: 8, isPromptPaid: true })
    wreck.fixture.clock.pass(LIFE_MS)
    expect((await wreck.lent()).answers[wreck.fixture.id]).toMatchObject({ state: 'held' })
    await wreck.fixture.paying.update(CHANNEL, (old) => {
      const meter = old!.answers[wreck.fixture.id]!
      return { ...old!, answers: { [wreck.fixture.id]: { ...meter, signedTokens: 24 } } }
    })
    await wreck.recover()
    const kept = await wreck.kept()
    await acceptVoucher(wreck.fixture.earning, CHANNEL, kept[0]!)
    const { answers, cumulative } = await wreck.fixture.payeeChannel()
    expect([answers, cumulative]).toEqual([{}, 25n])
  })

  it('behaviour: nobody is blamed for what the lender cannot show', async () => {
    const wreck = await createWreck({ paidTokens: 8, isPromptPaid: true })
    wreck.fixture.clock.pass(LIFE_MS)
    await wreck.lent()
    wreck.fixture.clock.pass(HOLD_BACK_MS + 1)
    expect((await wreck.lent()).answers).toEqual({})
  })

  it('behaviour: a hold-back whose deadline passed is unpaid', async () => {
    const wreck = await createWreck({ state: 'held', signedTokens: 9, holdBackUntilMs: 1 })
    expect((await wreck.lent()).answers[wreck.fixture.id]).toMatchObject({ state: 'unpaid' })
  })

  it('behaviour: an answer that may still run is left alone', async () => {
    const wreck = await createWreck()
    wreck.fixture.clock.pass(LIFE_MS - 1)
    expect((await wreck.lent()).answers[wreck.fixture.id]).toMatchObject({ state: 'streaming' })
  })
})
