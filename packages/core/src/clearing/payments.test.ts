import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, to0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import { existing, type Table } from '../storage.ts'
import type { VoucherFrame } from '../wire/frames.ts'
import { SIGNER, tableOf, testRecord } from './channel.fixture.ts'
import type { ChannelRecord } from './channel.ts'
import {
  closeUnpaid,
  dueAmount,
  foldAnswer,
  holdAnswer,
  meterOf,
  noteCached,
  noteSigned,
  paidAmount,
  payAnswer,
  startAnswer,
} from './meter.ts'
import { acceptAmount, acceptVoucher, openAnswerPayee } from './payee.ts'
import { answerPayer, openAnswerPayer } from './payer.ts'
import { checkVoucher, signVoucher } from './voucher.ts'

const PRICES = { prompt: 1_000_000, cached: 250_000, output: 2_000_000 }
const RUN = new Uint8Array(32).fill(7)
const reqIdOf = (n: number) => new Uint8Array(16).fill(n)
const hexOf = (n: number) => n.toString(16).padStart(2, '0').repeat(16)

/** Both ends of one channel, each with its own store, and answers that run on it. */
async function createPair(init: Partial<ChannelRecord> = {}, answers = 1) {
  const payers = await tableOf(testRecord('payer', init))
  const payees = await tableOf(testRecord('payee', init))
  const { id } = testRecord('payer')
  const terms = (n: number) => ({
    reqId: reqIdOf(n),
    prices: PRICES,
    promptTokens: 5,
    maxTokens: 100,
    startedAtMs: 0,
  })
  const numbers = Array.from({ length: answers }, (_, n) => n)
  const payer = await Promise.all(numbers.map((n) => openAnswerPayer(payers, SIGNER, id, terms(n))))
  const payee = await Promise.all(numbers.map((n) => openAnswerPayee(payees, id, terms(n))))
  const payerRecord = async () => existing(await payers.get(id), id)
  const payeeRecord = async () => existing(await payees.get(id), id)
  return { id, payers, payees, payer, payee, payerRecord, payeeRecord }
}

function only<T>(list: readonly T[], n = 0): T {
  return existing(list[n], `${n}`)
}

describe('paying an answer', () => {
  it('default: both sides say the same at every step', async () => {
    const { payer, payee, payerRecord, payeeRecord } = await createPair({ relayFee: 3n })
    const [from, to] = [only(payer), only(payee)]
    await from.start(2)
    await to.start(2)
    await to.sign(40)
    const prompt = await from.pay(0, RUN)
    // 3 x 1 + 2 x 0.25 = 3.5, rounded up, and the fee for relaying.
    expect(prompt.cumulative).toBe(7n)
    expect(await to.accept(prompt)).toBe(0)
    const first = await from.pay(40, RUN)
    expect(first.cumulative).toBe(87n)
    expect(await to.accept(first)).toBe(40)
    expect(await from.hold(60, 9)).toBe(true)
    expect(await to.hold(60, 9)).toBe(true)
    expect(await to.due()).toBe(127n)
    const last = await from.release(RUN)
    expect(last).toMatchObject({ cumulative: 127n, tokens: 60 })
    expect(await to.accept(last)).toBe(60)
    for (const record of [await payerRecord(), await payeeRecord()]) {
      expect(record.answers).toEqual({})
      expect(record.cumulative).toBe(127n)
    }
    expect((await payeeRecord()).signature).toBe(to0x(last.sig))
    await checkVoucher(await payeeRecord(), 127n, last.sig)
  })

  it('behaviour: the amount is on disk before it is signed', async () => {
    const { payers, id, payer, payerRecord } = await createPair()
    const failing = { ...SIGNER, signTypedData: () => Promise.reject(new Error('power cut')) }
    await expect(answerPayer(payers, failing, id, hexOf(0)).pay(10, RUN)).rejects.toThrow('power')
    expect((await payerRecord()).cumulative).toBe(25n)
    expect((await only(payer).pay(10, RUN)).cumulative).toBe(25n)
  })

  it('behaviour: never signs more than the deposit', async () => {
    const { payer, payers, id, payerRecord } = await createPair({ deposit: 205n })
    await payers.update(id, (old) => ({ ...existing(old, id), deposit: 100n }))
    await expect(only(payer).pay(60, RUN)).rejects.toThrow(/used up/)
    expect((await payerRecord()).cumulative).toBe(0n)
    expect((await only(payer).pay(40, RUN)).cumulative).toBe(85n)
  })

  it('behaviour: withholding keeps the tail out of every later voucher', async () => {
    const { payer, payee, payeeRecord } = await createPair({}, 2)
    const bad = await only(payer).pay(10, RUN)
    await only(payee).accept(bad)
    await only(payer).hold(60, 9)
    await only(payee).hold(60, 9)
    await only(payer).withhold()
    const good = await only(payer, 1).pay(10, RUN)
    expect(good.cumulative).toBe(50n)
    expect(await only(payee, 1).accept(good)).toBe(10)
    await only(payer, 1).hold(10, 9)
    const record = await payeeRecord()
    expect(meterOf(record, hexOf(0))).toMatchObject({ paidTokens: 10, signedTokens: 60 })
    expect(record.cumulative).toBe(50n)
  })

  it('behaviour: concurrent payments and vouchers on one store lose nothing', async () => {
    const { payer, payee, payerRecord, payeeRecord } = await createPair({}, 4)
    const turns = [5, 10, 15].flatMap((tokens) => payer.map((from) => from.pay(tokens, RUN)))
    const vouchers = await Promise.all(turns)
    // They arrive in another order, some of them overtaken and useless.
    const taken = await Promise.allSettled(
      vouchers.toReversed().map((voucher) => only(payee).accept(voucher)),
    )
    expect(taken.some(({ status }) => status === 'fulfilled')).toBe(true)
    const [a, b] = [await payerRecord(), await payeeRecord()]
    expect(a.cumulative).toBe(4n * 5n + 4n * 15n * 2n)
    expect(b.cumulative).toBe(a.cumulative)
    for (let n = 0; n < 4; n++) expect(meterOf(b, hexOf(n)).paidTokens).toBe(15)
    await checkVoucher(b, b.cumulative, fromHex((b.signature as string).slice(2)))
  })
})

describe('acceptVoucher', () => {
  /** A voucher over any amount for any work, really signed. */
  async function voucherOf(
    init: Partial<VoucherFrame> & { cumulative: bigint },
    record = testRecord('payer'),
  ): Promise<VoucherFrame> {
    return {
      channelId: fromHex(record.id.slice(2)),
      sig: await signVoucher(SIGNER, record, init.cumulative),
      reqId: reqIdOf(0),
      tokens: 10,
      runningHash: RUN,
      ...init,
    }
  }

  /** Refuses and leaves the store as it was. */
  async function refuses(
    { payees, id }: { payees: Table<ChannelRecord>; id: string },
    voucher: VoucherFrame,
    why: RegExp,
  ): Promise<void> {
    const before = await payees.get(id)
    const taking = acceptVoucher(payees, id, voucher)
    await expect(taking).rejects.toThrow(ClearingError)
    await expect(taking).rejects.toThrow(why)
    expect(await payees.get(id)).toEqual(before)
  }

  it('default: takes exactly what is due', async () => {
    const pair = await createPair()
    await refuses(pair, await voucherOf({ cumulative: 24n }), /due are 25/)
    const after = await acceptVoucher(pair.payees, pair.id, await voucherOf({ cumulative: 25n }))
    expect(after.cumulative).toBe(25n)
    expect(meterOf(after, hexOf(0)).paidTokens).toBe(10)
  })

  it('behaviour: a replay brings nothing', async () => {
    const pair = await createPair()
    const voucher = await voucherOf({ cumulative: 25n })
    await acceptVoucher(pair.payees, pair.id, voucher)
    await refuses(pair, voucher, /taken before/)
    await refuses(pair, { ...voucher, tokens: 9 }, /taken before/)
    // The same signature claimed for more tokens.
    await refuses(pair, { ...voucher, tokens: 11 }, /due are 27/)
  })

  it('behaviour: a lower amount, another channel and another signer are refused', async () => {
    const pair = await createPair()
    await acceptVoucher(pair.payees, pair.id, await voucherOf({ cumulative: 25n }))
    await refuses(pair, await voucherOf({ cumulative: 20n, tokens: 11 }), /due are 27/)
    const other = testRecord('payer', {}, 2)
    await refuses(pair, await voucherOf({ cumulative: 99n, tokens: 11 }, other), /another channel/)
    const mislabelled = await voucherOf({ cumulative: 99n, tokens: 11 }, other)
    const channelId = fromHex(pair.id.slice(2))
    await refuses(pair, { ...mislabelled, channelId }, /does not hold/)
  })

  it('behaviour: an unknown answer and more tokens than were asked for are refused', async () => {
    const pair = await createPair()
    await refuses(pair, await voucherOf({ cumulative: 99n, reqId: reqIdOf(9) }), /no such answer/)
    await refuses(pair, await voucherOf({ cumulative: 900n, tokens: 101 }), /cannot have/)
    const all = await voucherOf({ cumulative: 205n, tokens: 100 })
    expect((await acceptVoucher(pair.payees, pair.id, all)).cumulative).toBe(205n)
  })

  it('behaviour: for an answer that was given up only a higher amount counts', async () => {
    const pair = await createPair()
    const gone = await voucherOf({ cumulative: 25n, reqId: reqIdOf(9) })
    await acceptAmount(pair.payees, pair.id, gone)
    const { cumulative, signature, answers } = await pair.payeeRecord()
    expect([cumulative, signature]).toEqual([25n, to0x(gone.sig)])
    expect(Object.keys(answers)).toEqual([hexOf(0)])
    await expect(acceptAmount(pair.payees, pair.id, gone)).rejects.toThrow(/taken before/)
    const forged = { ...gone, cumulative: 26n }
    await expect(acceptAmount(pair.payees, pair.id, forged)).rejects.toThrow(/does not hold/)
  })

  it('behaviour: is worth the deposit at most', async () => {
    const pair = await createPair({ deposit: 205n })
    await pair.payees.update(pair.id, (old) => ({ ...existing(old, pair.id), deposit: 30n }))
    await refuses(pair, await voucherOf({ cumulative: 1_000n, tokens: 50 }), /deposit/)
    // Above the deposit, but what it pays for is covered.
    const after = await acceptVoucher(pair.payees, pair.id, await voucherOf({ cumulative: 99n }))
    expect(after.cumulative).toBe(99n)
  })

  it('behaviour: vouchers of parallel answers may overtake each other', async () => {
    const pair = await createPair({}, 2)
    const first = await only(pair.payer, 0).pay(10, RUN)
    const second = await only(pair.payer, 1).pay(10, RUN)
    expect(second.cumulative).toBeGreaterThan(first.cumulative)
    await acceptVoucher(pair.payees, pair.id, second)
    const after = await acceptVoucher(pair.payees, pair.id, first)
    expect(after.cumulative).toBe(second.cumulative)
    expect(after.signature).toBe(to0x(second.sig))
    for (const n of [0, 1]) expect(meterOf(after, hexOf(n)).paidTokens).toBe(10)
    // The one that was overtaken cannot be used up twice.
    await refuses(pair, { ...first, tokens: 20 }, /due are 70/)
  })

  it('behaviour: a voucher cannot release what another answer holds back', async () => {
    const pair = await createPair({}, 2)
    await only(pair.payee, 0).hold(50, 9)
    await only(pair.payer, 0).hold(50, 9)
    const second = await only(pair.payer, 1).pay(10, RUN)
    const after = await acceptVoucher(pair.payees, pair.id, second)
    expect(after.cumulative).toBe(25n)
    expect(meterOf(after, hexOf(0))).toMatchObject({ paidTokens: 0, isPromptPaid: false })
  })

  it('behaviour: a late voucher for a withheld answer is welcome', async () => {
    const pair = await createPair()
    await only(pair.payee).hold(50, 9)
    await only(pair.payee).giveUp('unpaid')
    const late = await voucherOf({ cumulative: 105n, tokens: 50 })
    expect((await acceptVoucher(pair.payees, pair.id, late)).answers).toEqual({})
  })
})

/** One step of the model: what happens to answer `which`, with a number. */
type Step = readonly [
  kind: 'start' | 'cached' | 'sign' | 'pay' | 'hold' | 'release' | 'withhold' | 'arrive',
  which: number,
  n: number,
]

interface Paid {
  reqId: string
  tokens: number
  cumulative: bigint
}

describe('several answers on one channel', () => {
  const step: fc.Arbitrary<Step> = fc.tuple(
    fc.constantFrom('start', 'cached', 'sign', 'pay', 'hold', 'release', 'withhold', 'arrive'),
    fc.nat(2),
    fc.nat(30),
  )
  const dice = fc.record({
    deposit: fc.bigInt(0n, 300n),
    relayFee: fc.bigInt(0n, 3n),
    prices: fc.record({
      prompt: fc.integer({ min: 400_000, max: 1_500_000 }),
      cached: fc.nat(400_000),
      output: fc.nat(2_500_000),
    }),
  })

  it('behaviour: whatever the order, neither side is ever owed what the other does not see', () => {
    let vouchers = 0
    let withheld = 0
    fc.assert(
      fc.property(
        dice,
        fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }),
        ({ prices, ...init }, steps) => {
          let payer = testRecord('payer', init)
          let payee = testRecord('payee', init)
          const underWay: Paid[] = []
          const runs = [0, 0, 0]
          const attempt = (change: () => void) => {
            try {
              change()
            } catch (error) {
              if (!(error instanceof ClearingError)) throw error
            }
          }
          /** What `AnswerPayer.pay` does to a record. */
          const pay = (reqId: string, tokens: number, isLast: boolean) => {
            const next = payAnswer(noteSigned(payer, reqId, tokens), reqId, tokens)
            const amount = paidAmount(next)
            if (amount > next.deposit) return
            const cumulative = amount > next.cumulative ? amount : next.cumulative
            payer = isLast ? foldAnswer({ ...next, cumulative }, reqId) : { ...next, cumulative }
            underWay.push({ reqId, tokens: meterOf(next, reqId).paidTokens, cumulative })
          }
          /** What `acceptVoucher` does to a record. */
          const accept = ({ reqId, tokens, cumulative }: Paid) => {
            const paid = payAnswer(payee, reqId, tokens)
            const best = cumulative > payee.cumulative ? cumulative : payee.cumulative
            // An honest payer's voucher is never too low, however late it comes.
            expect(paidAmount(paid)).toBeLessThanOrEqual(best)
            expect(paidAmount(paid)).toBeLessThanOrEqual(payee.deposit)
            payee = foldAnswer({ ...paid, cumulative: best }, reqId)
            vouchers++
          }
          for (const [kind, which, n] of steps) {
            let reqId = `${which}/${runs[which]}`
            if (kind === 'start' && !payer.answers[reqId] && !payee.answers[reqId]) {
              reqId = `${which}/${++runs[which]!}`
            }
            const [from, to] = [payer.answers[reqId], payee.answers[reqId]]
            const isRunning = from?.state === 'streaming' && to?.state === 'streaming'
            attempt(() => {
              if (kind === 'start' && !from && !to) {
                const terms = { prices, promptTokens: n, maxTokens: 30, startedAtMs: 0 }
                const next = startAnswer(payer, reqId, terms)
                payee = startAnswer(payee, reqId, terms)
                payer = next
              } else if (kind === 'cached' && isRunning && !from.isPromptPaid) {
                payer = noteCached(payer, reqId, n)
                payee = noteCached(payee, reqId, n)
              } else if (kind === 'sign' && isRunning) payee = noteSigned(payee, reqId, n)
              else if (kind === 'pay' && isRunning) pay(reqId, Math.min(n, to.signedTokens), false)
              else if (kind === 'hold' && isRunning) {
                // Broken connections: the payer may have seen fewer signatures than were sent.
                const seen = Math.max(from.signedTokens, Math.min(n, to.signedTokens))
                payer = foldAnswer(holdAnswer(noteSigned(payer, reqId, seen), reqId, 1), reqId)
                payee = foldAnswer(holdAnswer(payee, reqId, 1), reqId)
              } else if (kind === 'release' && from?.state === 'held') {
                pay(reqId, from.signedTokens, true)
              } else if (kind === 'withhold' && from?.state === 'held') {
                payer = closeUnpaid(payer, reqId, 'withheld')
                withheld++
              } else if (kind === 'arrive' && underWay.length > 0) {
                const [voucher] = underWay.splice(n % underWay.length, 1)
                if (voucher && payee.answers[voucher.reqId]) accept(voucher)
              }
            })
            // The payee counts nothing as paid that the payer has not signed for.
            expect(paidAmount(payee)).toBeLessThanOrEqual(
              payee.cumulative > init.relayFee ? payee.cumulative : init.relayFee,
            )
            expect(payee.cumulative).toBeLessThanOrEqual(payer.cumulative)
            expect(payer.cumulative).toBeLessThanOrEqual(payer.deposit)
            expect(paidAmount(payer)).toBeLessThanOrEqual(dueAmount(payer))
            // Never released by another's voucher: what is signed covers what is marked as paid only.
            const marked = paidAmount(payer)
            if (payer.cumulative > 0n) expect(payer.cumulative).toBe(marked)
          }
        },
      ),
      { numRuns: 400 },
    )
    expect(vouchers).toBeGreaterThan(100)
    expect(withheld).toBeGreaterThan(10)
  })
})
