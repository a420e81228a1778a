import { to0x, toHex } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import { existing, type Table } from '../storage.ts'
import type { VoucherFrame } from '../wire/frames.ts'
import type { ChannelRecord, NewAnswer } from './channel.ts'
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
import { checkVoucher, type VoucherCheck } from './voucher.ts'

/** The earning side of one answer on one channel. */
export interface AnswerPayee {
  start(cachedTokens: number): Promise<void>
  /** Books signed tokens; called at vouchers and at the end, not for every chunk. */
  sign(tokens: number): Promise<void>
  /**
   * Takes a voucher: on disk when this resolves.
   * @returns output tokens of this answer that are paid now
   * @throws ClearingError when it is for another channel, too low, replayed or not signed
   */
  accept(voucher: VoucherFrame): Promise<number>
  /** Cumulative amount owed on the channel with this answer whole. */
  due(): Promise<bigint>
  /** The stream is over: the tail may be held back until `untilMs`. @returns whether anything is unpaid */
  hold(signedTokens: number, untilMs: number): Promise<boolean>
  /** The hold-back's deadline passed, or the borrower said that it keeps it. */
  giveUp(state: 'withheld' | 'unpaid'): Promise<void>
}

/** What a deposit is worth to its payee: of what may still be reorganised away, so many units. */
function coveredBy(
  { deposit, confirmedDeposit }: ChannelRecord,
  youngUnits: bigint | undefined,
): bigint {
  if (youngUnits === undefined || confirmedDeposit + youngUnits > deposit) return deposit
  return confirmedDeposit + youngUnits
}

/**
 * Books a new answer on channel `id`.
 * @param answer `youngUnits`: how much of a deposit that is not confirmed counts; all of it by default
 * @throws ClearingError when its deposit cannot cover it */
export async function openAnswerPayee(
  channels: Table<ChannelRecord>,
  id: string,
  { reqId: id16, youngUnits, ...answer }: NewAnswer & { youngUnits?: bigint | undefined },
  check?: VoucherCheck,
): Promise<AnswerPayee> {
  const reqId = toHex(id16)
  await channels.update(id, (old) => {
    const record = existing(old, id)
    return startAnswer(record, reqId, answer, coveredBy(record, youngUnits))
  })
  const change = async (fn: (record: ChannelRecord) => ChannelRecord): Promise<ChannelRecord> =>
    existing(await channels.update(id, (old) => fn(existing(old, id))), id)

  return {
    start: async (cachedTokens) => {
      await change((old) => noteCached(old, reqId, cachedTokens))
    },
    sign: async (tokens) => {
      await change((old) => noteSigned(old, reqId, tokens))
    },
    accept: async (voucher) => {
      const after = await acceptVoucher(channels, id, voucher, check)
      // One that is booked off already is paid as far as this voucher says, and no further.
      return after.answers[reqId]?.paidTokens ?? voucher.tokens
    },
    due: async () => dueAmount(existing(await channels.get(id), id)),
    hold: async (signedTokens, untilMs) => {
      const after = await change((old) => {
        const held = holdAnswer(noteSigned(old, reqId, signedTokens), reqId, untilMs)
        return foldAnswer(held, reqId)
      })
      return after.answers[reqId] !== undefined
    },
    giveUp: async (state) => {
      await change((old) => (old.answers[reqId] ? closeUnpaid(old, reqId, state) : old))
    },
  }
}

/**
 * Takes a voucher for an answer that this side has given up: only its amount counts any more.
 * @throws ClearingError when it does not hold or is no higher than what is there
 */
export async function acceptAmount(
  channels: Table<ChannelRecord>,
  id: string,
  { cumulative, sig }: Pick<VoucherFrame, 'cumulative' | 'sig'>,
  check: VoucherCheck = checkVoucher,
): Promise<void> {
  await check(existing(await channels.get(id), id), cumulative, sig)
  await channels.update(id, (old) => {
    const record = existing(old, id)
    if (cumulative > record.cumulative) return { ...record, cumulative, signature: to0x(sig) }
    throw new ClearingError({ what: 'the voucher is not taken', why: 'it was taken before' })
  })
}

/**
 * Takes a voucher for any unfinished answer of channel `id`.
 * @returns the channel afterwards
 * @throws ClearingError when it does not hold, names another channel, or brings nothing new
 */
export async function acceptVoucher(
  channels: Table<ChannelRecord>,
  id: string,
  voucher: VoucherFrame,
  check: VoucherCheck = checkVoucher,
): Promise<ChannelRecord> {
  const fail = (why: string): never => {
    throw new ClearingError({ what: 'the voucher is not taken', why })
  }
  if (to0x(voucher.channelId) !== id) fail('it is for another channel')
  const known = existing(await channels.get(id), id)
  // The signature first: nothing else in it means anything before that.
  await check(known, voucher.cumulative, voucher.sig)
  const reqId = toHex(voucher.reqId)
  const after = await channels.update(id, (old) => {
    const record = existing(old, id)
    const meter = meterOf(record, reqId)
    const isNews = voucher.tokens > meter.paidTokens || !meter.isPromptPaid
    if (!isNews) return fail('it was taken before')
    if (voucher.tokens > Math.max(meter.maxTokens, meter.signedTokens)) {
      fail('it pays for tokens that the answer cannot have')
    }
    const paid = payAnswer(record, reqId, voucher.tokens)
    const required = paidAmount(paid)
    // Vouchers of parallel answers may overtake each other: the highest one counts for all.
    const isHigher = voucher.cumulative > record.cumulative
    const best = isHigher ? voucher.cumulative : record.cumulative
    if (best < required) fail(`it says ${voucher.cumulative}, due are ${required}`)
    // A voucher above the deposit is worth the deposit: what it pays for beyond that is not paid.
    if (required > record.deposit) fail('the deposit does not cover it')
    const signature = isHigher ? to0x(voucher.sig) : record.signature
    return foldAnswer({ ...paid, cumulative: best, signature }, reqId)
  })
  return existing(after, id)
}
