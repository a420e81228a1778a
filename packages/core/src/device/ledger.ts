import type { ChannelRecord } from '../clearing/channel.ts'
import { dueAmount, paidAmount, units, unpaidRaw } from '../clearing/meter.ts'
import type { TransactionRecord } from '../clearing/noted-chain.ts'
import type { AnswerRecord } from './records.ts'

/**
 * What channels of one direction say, in whole token units:
 * due = answers + relayFee + held + lost, exactly, for each channel and so for all.
 */
export interface ChannelTotals {
  due: bigint
  /** Of it for answers, and paid. */
  answers: bigint
  /** Of it for submitting openings, and paid with the first voucher. */
  relayFee: bigint
  /** Of it not paid yet: answers that run, and tails that wait for their audit. */
  held: bigint
  /** Of it never paid: kept after a failed audit, or its deadline passed. */
  lost: bigint
  /** Of the highest vouchers. */
  vouchers: bigint
  /** Of these settled or set off on the chain. */
  settled: bigint
}

/** What one day cost, or all of them. */
export interface Spent {
  answers: number
  tokens: number
  /** Each answer's price rounded up by itself: a channel rounds once over all of its answers. */
  priceUnits: bigint
  transactions: number
  gasUsed: bigint
  feeWei: bigint
  audits: number
  auditSeconds: number
  /** Tokens that audits computed once more. */
  auditTokens: number
}

export function channelTotals(records: readonly ChannelRecord[]): ChannelTotals {
  const all = records.map(totalsOf)
  return all.reduce(
    (sum, one) => ({
      due: sum.due + one.due,
      answers: sum.answers + one.answers,
      relayFee: sum.relayFee + one.relayFee,
      held: sum.held + one.held,
      lost: sum.lost + one.lost,
      vouchers: sum.vouchers + one.vouchers,
      settled: sum.settled + one.settled,
    }),
    NOTHING,
  )
}

const NOTHING: ChannelTotals = {
  ...{ due: 0n, answers: 0n, relayFee: 0n, held: 0n, lost: 0n },
  ...{ vouchers: 0n, settled: 0n },
}

/** Rounded once over the channel: each part is what it adds to the parts before it. */
function totalsOf(record: ChannelRecord): ChannelTotals {
  const [due, paid] = [dueAmount(record), paidAmount(record)]
  let heldRaw = 0n
  let lostRaw = 0n
  for (const meter of Object.values(record.answers)) {
    const isLost = meter.state === 'withheld' || meter.state === 'unpaid'
    if (isLost) lostRaw += unpaidRaw(meter)
    else heldRaw += unpaidRaw(meter)
  }
  // What is lost comes first: what waits is then never shown as less than it adds.
  const unpaid = due - paid
  const lost = heldRaw === 0n ? unpaid : least(unpaid, units(lostRaw))
  const { relayFee, cumulative: vouchers, settled } = record
  return { due, answers: paid - relayFee, relayFee, held: unpaid - lost, lost, vouchers, settled }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** What was borrowed and what it took, by the day (UTC) that it began in; the days in order. */
export function spentByDay(
  answers: readonly AnswerRecord[],
  transactions: readonly TransactionRecord[],
): Map<string, Spent> {
  const days = new Map<string, Spent>()
  const add = (atMs: number, more: Partial<Spent>) => {
    const day = new Date(atMs).toISOString().slice(0, 10)
    days.set(day, addSpent(days.get(day) ?? NOTHING_SPENT, { ...NOTHING_SPENT, ...more }))
  }
  for (const { startedAtMs, tokens, priceUnits, audit } of answers) {
    add(startedAtMs, { answers: 1, tokens, priceUnits })
    const auditTokens = audit?.statistics.positions ?? 0
    if (audit !== null && auditTokens > 0) {
      add(startedAtMs, { audits: 1, auditSeconds: audit.seconds, auditTokens })
    }
  }
  for (const { atMs, gasUsed, feeWei } of transactions) {
    add(atMs, { transactions: 1, gasUsed, feeWei })
  }
  return new Map([...days].sort(([one], [other]) => (one < other ? -1 : 1)))
}

export const NOTHING_SPENT: Spent = {
  ...{ answers: 0, tokens: 0, priceUnits: 0n },
  ...{ transactions: 0, gasUsed: 0n, feeWei: 0n },
  ...{ audits: 0, auditSeconds: 0, auditTokens: 0 },
}

export function addSpent(one: Spent, other: Spent): Spent {
  return {
    answers: one.answers + other.answers,
    tokens: one.tokens + other.tokens,
    priceUnits: one.priceUnits + other.priceUnits,
    transactions: one.transactions + other.transactions,
    gasUsed: one.gasUsed + other.gasUsed,
    feeWei: one.feeWei + other.feeWei,
    audits: one.audits + other.audits,
    auditSeconds: one.auditSeconds + other.auditSeconds,
    auditTokens: one.auditTokens + other.auditTokens,
  }
}
