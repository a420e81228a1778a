import type { Ceilings } from '../clearing/budget.ts'
import { type EndReason, type FreeholdError, LendingError } from '../errors.ts'
import type { AuditReport } from './audits.ts'
import type { BorrowResult } from './borrowing.ts'

/** Who wrote which part of an answer's text, in order; more than one when a lender broke off. */
export interface AnswerPart {
  where: 'here' | 'peer'
  /** Device key of the lender, hex; null: this device. */
  lender: string | null
  /** Request id, hex; null: there is no receipt. */
  receipt: string | null
  /** Tokens of the answer that it wrote. */
  tokens: number
  /** Tokens of earlier parts that it read as a part of its prompt. */
  continues: number
  /** `receipt` or `here` when it ended well, else why it broke off. */
  end: 'receipt' | 'here' | EndReason
  /** What it costs, token units; of what it continues the prompt alone. */
  priceUnits: bigint
}

/** A lender that did not end its answer, as soon as that is known. */
export interface AnswerBreak {
  lender: string
  reason: EndReason
  /** Tokens that it had written. */
  tokens: number
  /** Milliseconds from asking it to giving it up. */
  afterMs: number
  error: FreeholdError
}

/** An answer is tried with so many lenders at most. */
export const MOST_LENDERS = 6

/** Ends that are no word of the other side's: it is dead, broken or lies. */
const FAULTS: ReadonlySet<EndReason> = new Set(['lost', 'deadline', 'stall', 'protocol', 'engine'])

/** Why an answer may go on with somebody else; null when the asker or the owner's money ended it. */
export function breakReason(error: unknown): EndReason | null {
  return error instanceof LendingError && error.reason !== 'cancelled' ? error.reason : null
}

export function isFault(reason: EndReason): boolean {
  return FAULTS.has(reason)
}

export function partOf({ record, ids, borrowed }: BorrowResult, continues: number): AnswerPart {
  const { lender, id, priceUnits } = record
  const common = { where: 'peer', lender, receipt: id, priceUnits, continues } as const
  return { ...common, tokens: ids.length, end: borrowed.end }
}

/** What this device wrote itself. */
export function partHere(tokens: number, continues: number): AnswerPart {
  const common = { lender: null, receipt: null, priceUnits: 0n } as const
  return { ...common, where: 'here', tokens, continues, end: 'here' }
}

/** What the next part may cost: one request has one ceiling, whoever answers it. @param beside what others may cost that are asked now */
export function ceilingsLeft(
  ceilings: Ceilings,
  parts: readonly AnswerPart[],
  beside: bigint,
): Ceilings {
  const { perRequest } = ceilings
  const spent = parts.reduce((sum, { priceUnits }) => sum + priceUnits, beside)
  if (perRequest === null) return ceilings
  return { ...ceilings, perRequest: perRequest > spent ? perRequest - spent : 0n }
}

/** The audit that matters of several parts: one that failed, else the last one. */
export async function worstReport(
  settled: readonly Promise<AuditReport | null>[],
): Promise<AuditReport | null> {
  const reports = await Promise.all(settled)
  return reports.find((report) => report?.pooled === 'fail') ?? reports.at(-1) ?? null
}
