import type { PrivateKeyAccount } from 'viem/accounts'
import { from0x, fromHex, toHex } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import { existing, type Table } from '../storage.ts'
import type { VoucherFrame } from '../wire/frames.ts'
import type { ChannelRecord, NewAnswer } from './channel.ts'
import {
  closeUnpaid,
  foldAnswer,
  holdAnswer,
  meterOf,
  noteCached,
  noteDelivered,
  noteSigned,
  noteUndelivered,
  paidAmount,
  payAnswer,
  startAnswer,
} from './meter.ts'
import { signVoucher } from './voucher.ts'

/** The paying side of one answer on one channel. Every step is on disk before it has an effect. */
export interface AnswerPayer {
  /** Books the lender's cached prompt tokens, told with its first token. */
  start(cachedTokens: number): Promise<void>
  /** Pays for `tokens` output tokens, signed as `runningHash`; 0 pays the prompt. */
  pay(tokens: number, runningHash: Uint8Array): Promise<VoucherFrame>
  /**
   * Ends the answer with `signedTokens` owed: the unpaid tail is held back until `untilMs`.
   * @returns whether anything is held back
   */
  hold(signedTokens: number, untilMs: number): Promise<boolean>
  /** Pays what was held back; the voucher counts as undelivered until `delivered`. */
  release(runningHash: Uint8Array): Promise<VoucherFrame>
  /** The payee has the last voucher on its disk: it need not be handed over again. */
  delivered(): Promise<void>
  /** Keeps what was held back, because the verdict failed. */
  withhold(): Promise<void>
}

/** Books a new answer on channel `id`. @throws ClearingError when the channel cannot cover it */
export async function openAnswerPayer(
  channels: Table<ChannelRecord>,
  signer: PrivateKeyAccount,
  id: string,
  { reqId: id16, ...answer }: NewAnswer,
): Promise<AnswerPayer> {
  const reqId = toHex(id16)
  await channels.update(id, (old) => {
    const record = existing(old, id)
    if (record.role !== 'payer' || record.status !== 'open') {
      throw new ClearingError({ what: 'this channel pays nothing', why: `it is ${record.status}` })
    }
    if (record.isLeaving) {
      throw new ClearingError({ what: 'this channel pays nothing', why: 'it is being left' })
    }
    // Its payee may hold more than is known here: what is signed now could be worth nothing, or twice.
    if (record.isRecovered) {
      throw new ClearingError({
        what: 'this channel pays nothing',
        why: 'what was signed on it before this device lost its disk is unknown',
        next: 'Ask its payee with "freehold wallet recover <address>", or leave it',
      })
    }
    return startAnswer(record, reqId, answer)
  })
  return answerPayer(channels, signer, id, reqId)
}

/** The payer of an answer that is on disk already, such as one whose process died. */
export function answerPayer(
  channels: Table<ChannelRecord>,
  signer: PrivateKeyAccount,
  id: string,
  reqId: string,
): AnswerPayer {
  const change = async (fn: (record: ChannelRecord) => ChannelRecord): Promise<ChannelRecord> =>
    existing(await channels.update(id, (old) => fn(existing(old, id))), id)

  /** Raises the cumulative amount on disk first, then signs it: a crash between loses nothing. */
  const pay = async (tokens: number, runningHash: Uint8Array, isLast: boolean) => {
    let paidTokens = 0
    const record = await change((old) => {
      const next = payAnswer(noteSigned(old, reqId, tokens), reqId, tokens)
      paidTokens = meterOf(next, reqId).paidTokens
      const amount = paidAmount(next)
      if (amount > next.deposit) {
        throw new ClearingError({ what: 'the deposit is used up', why: `${amount} are owed` })
      }
      let { cumulative } = next
      if (amount > cumulative) cumulative = amount
      const paid = { ...next, cumulative }
      if (!isLast) return paid
      return noteUndelivered(foldAnswer(paid, reqId), reqId, { tokens: paidTokens, runningHash })
    })
    const sig = await signVoucher(signer, record, record.cumulative)
    const channelId = from0x(id)
    const voucher = { channelId, cumulative: record.cumulative, sig, reqId: fromHex(reqId) }
    return { ...voucher, tokens: paidTokens, runningHash }
  }

  return {
    start: async (cachedTokens) => {
      await change((old) => noteCached(old, reqId, cachedTokens))
    },
    pay: (tokens, runningHash) => pay(tokens, runningHash, false),
    hold: async (signedTokens, untilMs) => {
      const after = await change((old) => {
        const held = holdAnswer(noteSigned(old, reqId, signedTokens), reqId, untilMs)
        return foldAnswer(held, reqId)
      })
      return after.answers[reqId] !== undefined
    },
    release: async (runningHash) => {
      const record = existing(await channels.get(id), id)
      return pay(meterOf(record, reqId).signedTokens, runningHash, true)
    },
    delivered: async () => {
      await change((old) => noteDelivered(old, reqId))
    },
    withhold: async () => {
      await change((old) => closeUnpaid(old, reqId, 'withheld'))
    },
  }
}
