import type { Standing } from '../audit/standing.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { forgiveAnswer, rawCost, unpaidRaw } from '../clearing/meter.ts'
import type { OfferedPayment } from '../wire/offer.ts'

/**
 * What a process that died, or a connection, took with it before it was on the borrower's disk cannot
 * be paid by an honest borrower. A lender forgives it, up to a bound that fades with time: that much
 * a dishonest one can take, and no more.
 */
const FADES_MS = 24 * 3_600_000

/** Exposures that are forgiven to one borrower before it gets no more credit. */
export const FORGIVEN_EXPOSURES = 4

type Price = Pick<OfferedPayment, 'prices' | 'windowTokens' | 'promptCapTokens'>

/** What one answer can cost its lender: a window of tokens and a prompt, in 1/1e6 token units. */
function exposureRaw({ prices, windowTokens, promptCapTokens }: Price): bigint {
  return rawCost(prices, promptCapTokens, 0, windowTokens)
}

/** What of earlier forgiveness still counts, in 1/1e6 token units. */
function standingRaw({ forgiven }: Standing, most: bigint, nowMs: number): bigint {
  const faded = (most * BigInt(Math.max(0, nowMs - forgiven.atMs))) / BigInt(FADES_MS)
  return forgiven.raw > faded ? forgiven.raw - faded : 0n
}

/** Ends the unpaid answers of a channel as far as the bound allows. */
export function forgiveUnpaid(
  record: ChannelRecord,
  standing: Standing,
  init: { payment: Price; exposures: number; nowMs: number },
): { record: ChannelRecord; forgiven: Standing['forgiven'] } {
  const most = exposureRaw(init.payment) * BigInt(init.exposures)
  let raw = standingRaw(standing, most, init.nowMs)
  let next = record
  for (const [reqId, meter] of Object.entries(record.answers)) {
    if (meter.state !== 'unpaid' || raw + unpaidRaw(meter) > most) continue
    raw += unpaidRaw(meter)
    next = forgiveAnswer(next, reqId)
  }
  return { record: next, forgiven: next === record ? standing.forgiven : { raw, atMs: init.nowMs } }
}
