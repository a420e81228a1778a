import { ClearingError } from '../errors.ts'
import type { Prices } from '../wire/offer.ts'
import type { AnswerMeter, ChannelRecord } from './channel.ts'

/**
 * The arithmetic of a channel: pure functions from record to record, the same on both sides.
 * Due = relay fee + ceil(Σ over answers of (prompt·p + cached·c + output·o) / 1e6): rounded once
 * over the channel, never per chunk.
 */

const PER_TOKENS = 1_000_000n

/** Cost of tokens in millionths of a token unit. */
export function rawCost(prices: Prices, prompt: number, cached: number, output: number): bigint {
  return (
    BigInt(prompt) * BigInt(prices.prompt) +
    BigInt(cached) * BigInt(prices.cached) +
    BigInt(output) * BigInt(prices.output)
  )
}

function meterRaw(meter: AnswerMeter, output: number, withPrompt: boolean): bigint {
  const [prompt, cached] = withPrompt ? [meter.promptTokens, meter.cachedTokens] : [0, 0]
  return rawCost(meter.prices, prompt, cached, output)
}

/** Millionths of a token unit in whole units, rounded up. */
export function units(raw: bigint): bigint {
  return (raw + PER_TOKENS - 1n) / PER_TOKENS
}

function toUnits(record: ChannelRecord, raw: bigint): bigint {
  return record.relayFee + units(raw)
}

/** Cumulative amount for what is marked as paid. */
export function paidAmount(record: ChannelRecord): bigint {
  let raw = record.paidRaw
  for (const meter of Object.values(record.answers)) {
    raw += meterRaw(meter, meter.paidTokens, meter.isPromptPaid)
  }
  return toUnits(record, raw)
}

/** Cumulative amount with every signed token paid, held-back ones included. */
export function dueAmount(record: ChannelRecord): bigint {
  let raw = record.paidRaw
  for (const meter of Object.values(record.answers)) {
    raw += meterRaw(meter, meter.signedTokens, meter.signedTokens > 0 || meter.isPromptPaid)
  }
  return toUnits(record, raw)
}

/** Cumulative amount if every running answer came to its limit: what the deposit must cover. */
export function reservedAmount(record: ChannelRecord): bigint {
  let raw = record.paidRaw
  for (const meter of Object.values(record.answers)) {
    const tokens = meter.state === 'streaming' ? meter.maxTokens : meter.signedTokens
    raw += meterRaw(meter, tokens, true)
  }
  return toUnits(record, raw)
}

/** Held-back token units of one answer: what paying it in full would add now. */
export function heldAmount(record: ChannelRecord, reqId: string): bigint {
  const full = payAnswer(record, reqId, meterOf(record, reqId).signedTokens)
  return paidAmount(full) - paidAmount(record)
}

export function meterOf(record: ChannelRecord, reqId: string): AnswerMeter {
  const meter = record.answers[reqId]
  if (meter === undefined) {
    throw new ClearingError({ what: 'this channel knows no such answer', why: reqId })
  }
  return meter
}

function withMeter(
  record: ChannelRecord,
  reqId: string,
  change: Partial<AnswerMeter>,
): ChannelRecord {
  const meter = { ...meterOf(record, reqId), ...change }
  return { ...record, answers: { ...record.answers, [reqId]: meter } }
}

/**
 * Books a new answer. Both sides call it before the first token.
 * @throws ClearingError when the deposit could not cover it
 */
export function startAnswer(
  record: ChannelRecord,
  reqId: string,
  init: Pick<AnswerMeter, 'prices' | 'promptTokens' | 'maxTokens' | 'startedAtMs'>,
  covered: bigint = record.deposit,
): ChannelRecord {
  if (record.answers[reqId] !== undefined) {
    throw new ClearingError({ what: 'this request id is in use on the channel', why: reqId })
  }
  // Else a lender could say after the fact that all was cached, and ask more than was agreed to.
  if (init.prices.cached > init.prices.prompt) {
    throw new ClearingError({ what: 'cached tokens cost more than others', why: 'in this offer' })
  }
  const meter: AnswerMeter = {
    ...init,
    cachedTokens: 0,
    signedTokens: 0,
    paidTokens: 0,
    isPromptPaid: false,
    state: 'streaming',
    holdBackUntilMs: null,
  }
  const next = { ...record, answers: { ...record.answers, [reqId]: meter } }
  if (reservedAmount(next) > covered) {
    const isYoung = covered < record.deposit
    throw new ClearingError({
      what: 'the channel cannot cover this answer',
      why: `it may come to ${reservedAmount(next)} of ${covered} ${isYoung ? 'that count yet' : 'deposited'}`,
      next: isYoung
        ? 'Wait for some blocks, or ask for fewer tokens'
        : 'Ask for fewer tokens or top the channel up',
    })
  }
  return next
}

/** Books how much of the prompt the lender had cached; only before anything is paid. */
export function noteCached(record: ChannelRecord, reqId: string, cached: number): ChannelRecord {
  const meter = meterOf(record, reqId)
  const prompt = meter.promptTokens + meter.cachedTokens
  if (cached > prompt) {
    throw new ClearingError({ what: 'more tokens cached than the prompt has', why: `${cached}` })
  }
  if (meter.isPromptPaid && cached !== meter.cachedTokens) {
    throw new ClearingError({ what: 'the prompt is paid already', why: reqId })
  }
  return withMeter(record, reqId, { promptTokens: prompt - cached, cachedTokens: cached })
}

/** Books tokens that the lender has signed; a lower count changes nothing. */
export function noteSigned(record: ChannelRecord, reqId: string, tokens: number): ChannelRecord {
  const meter = meterOf(record, reqId)
  return withMeter(record, reqId, { signedTokens: Math.max(meter.signedTokens, tokens) })
}

/** Books output tokens (and with them the prompt) as paid; a lower count changes nothing. */
export function payAnswer(record: ChannelRecord, reqId: string, tokens: number): ChannelRecord {
  const meter = meterOf(record, reqId)
  const paidTokens = Math.max(meter.paidTokens, tokens)
  return withMeter(record, reqId, { paidTokens, isPromptPaid: true })
}

/** Ends the stream of an answer: its unpaid tail is held back until `untilMs`. */
export function holdAnswer(record: ChannelRecord, reqId: string, untilMs: number): ChannelRecord {
  return withMeter(record, reqId, { state: 'held', holdBackUntilMs: untilMs })
}

/** Keeps an answer's tail unpaid for good. */
export function closeUnpaid(
  record: ChannelRecord,
  reqId: string,
  state: 'withheld' | 'unpaid',
): ChannelRecord {
  return withMeter(record, reqId, { state })
}

/** Folds a finished answer into the channel's sum once all that was signed is paid. */
export function foldAnswer(record: ChannelRecord, reqId: string): ChannelRecord {
  const meter = meterOf(record, reqId)
  if (meter.state === 'streaming' || meter.paidTokens < meter.signedTokens) return record
  const { [reqId]: _, ...answers } = record.answers
  const paidRaw = record.paidRaw + meterRaw(meter, meter.paidTokens, meter.isPromptPaid)
  return { ...record, paidRaw, answers }
}

/** Books that the payee may not have the last voucher of a paid answer. */
export function noteUndelivered(
  record: ChannelRecord,
  reqId: string,
  voucher: ChannelRecord['undelivered'][string],
): ChannelRecord {
  return { ...record, undelivered: { ...record.undelivered, [reqId]: voucher } }
}

/** Books that the payee has it, or will never take it. */
export function noteDelivered(record: ChannelRecord, reqId: string): ChannelRecord {
  const { [reqId]: _, ...undelivered } = record.undelivered
  return { ...record, undelivered }
}

/** What is signed and not paid of an answer, in millionths of a token unit. */
export function unpaidRaw(meter: AnswerMeter): bigint {
  const isOwed = meter.signedTokens > 0 || meter.isPromptPaid
  const paid = meterRaw(meter, meter.paidTokens, meter.isPromptPaid)
  return meterRaw(meter, meter.signedTokens, isOwed) - paid
}

/** Ends an answer with what is paid of it. */
export function forgiveAnswer(record: ChannelRecord, reqId: string): ChannelRecord {
  const { paidTokens } = meterOf(record, reqId)
  return foldAnswer(withMeter(record, reqId, { signedTokens: paidTokens }), reqId)
}
