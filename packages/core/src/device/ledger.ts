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
  /** Of these settled on the chain, and set off there. */
  settled: bigint
  setOff: bigint
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
  /** Token units that the contract cleared of what this device owes, and of what it is owed. */
  settledOut: bigint
  setOffOut: bigint
  settledIn: bigint
  setOffIn: bigint
}

/** What one borrowed answer took, in token units and in work. */
export interface AnswerCost {
  answer: AnswerRecord
  /** Compute: its price, of which this was held back at its end. */
  priceUnits: bigint
  heldUnits: bigint
  /** Clearing: its part of what relayers got on its channel, by price. Gas is nobody's answer. */
  relayFee: bigint
  /** Coordination: what its audit took. */
  auditSeconds: number
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
      setOff: sum.setOff + one.setOff,
    }),
    NOTHING,
  )
}

const NOTHING: ChannelTotals = {
  ...{ due: 0n, answers: 0n, relayFee: 0n, held: 0n, lost: 0n },
  ...{ vouchers: 0n, settled: 0n, setOff: 0n },
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
  const { relayFee, cumulative: vouchers } = record
  const setOff = Object.values(record.cleared).reduce((sum, day) => sum + day.setOff, 0n)
  const settled = record.settled - setOff
  const parts = { answers: paid - relayFee, relayFee, held: unpaid - lost, lost }
  return { due, ...parts, vouchers, settled, setOff }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** Answers in the order that they began; the relay fees of a channel are split without a rest. */
export function answerCosts(
  answers: readonly AnswerRecord[],
  channels: readonly ChannelRecord[],
): AnswerCost[] {
  const fees = new Map<string, bigint>(channels.map(({ id, relayFee }) => [id, relayFee]))
  const totals = new Map<string, { price: bigint; count: bigint }>()
  for (const { channelId, priceUnits } of answers) {
    if (channelId === null) continue
    const { price, count } = totals.get(channelId) ?? { price: 0n, count: 0n }
    totals.set(channelId, { price: price + priceUnits, count: count + 1n })
  }
  const before = new Map<string, { weight: bigint; fee: bigint }>()
  const sorted = [...answers].sort((one, other) => one.startedAtMs - other.startedAtMs)
  return sorted.map((answer) => {
    const { channelId, priceUnits, heldUnits, audit } = answer
    const { price = 0n, count = 0n } = totals.get(channelId ?? '') ?? {}
    const all = fees.get(channelId ?? '') ?? 0n
    const last = before.get(channelId ?? '') ?? { weight: 0n, fee: 0n }
    // Where all were free of charge, each has the same part.
    const weight = last.weight + (price === 0n ? 1n : priceUnits)
    const whole = price === 0n ? count : price
    const fee = whole === 0n ? 0n : (all * weight) / whole
    before.set(channelId ?? '', { weight, fee })
    return {
      ...{ answer, priceUnits, heldUnits, relayFee: fee - last.fee },
      auditSeconds: audit?.seconds ?? 0,
      auditTokens: audit?.statistics.positions ?? 0,
    }
  })
}

/** What was borrowed and what it took, by the day (UTC) that it began in; the days in order. */
export function spentByDay(
  answers: readonly AnswerRecord[],
  transactions: readonly TransactionRecord[],
  channels: readonly ChannelRecord[],
): Map<string, Spent> {
  const days = new Map<string, Spent>()
  const add = (atMs: number, more: Partial<Spent>) =>
    addOn(new Date(atMs).toISOString().slice(0, 10), more)
  const addOn = (day: string, more: Partial<Spent>) => {
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
  for (const { role, cleared } of channels) {
    for (const [day, { settled, setOff }] of Object.entries(cleared)) {
      addOn(
        day,
        role === 'payer'
          ? { settledOut: settled, setOffOut: setOff }
          : { settledIn: settled, setOffIn: setOff },
      )
    }
  }
  return new Map([...days].sort(([one], [other]) => (one < other ? -1 : 1)))
}

export const NOTHING_SPENT: Spent = {
  ...{ answers: 0, tokens: 0, priceUnits: 0n },
  ...{ transactions: 0, gasUsed: 0n, feeWei: 0n },
  ...{ audits: 0, auditSeconds: 0, auditTokens: 0 },
  ...{ settledOut: 0n, setOffOut: 0n, settledIn: 0n, setOffIn: 0n },
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
    settledOut: one.settledOut + other.settledOut,
    setOffOut: one.setOffOut + other.setOffOut,
    settledIn: one.settledIn + other.settledIn,
    setOffIn: one.setOffIn + other.setOffIn,
  }
}
