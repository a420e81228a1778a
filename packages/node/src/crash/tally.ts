/**
 * What a campaign counts. In words, as in docs/protocol.md, "What a crash may cost":
 * - unitsLost: token units that a party was owed and can get no more, beyond the stated exposure.
 * - unitsChargedTwice: token units that are signed, settled or booked beyond what the borrower's own
 *   evidence costs.
 * - answersWrong: evidence that does not hold, tokens that are not the model's, honest lenders convicted.
 * - stuck: whatever does not end, start, open, serve or pay out by its deadlines, and orphans.
 */
export interface Tally {
  kills: number
  unitsLost: number
  unitsChargedTwice: number
  answersWrong: number
  stuck: number
  restartsMs: number[]
  /** Answers that were looked at, and how many of them broke off. */
  answers: number
  brokenOff: number
  /** Most output tokens of one answer that its lender made and was never paid for. */
  mostUnpaidTokens: number
  /** What went wrong, and where. */
  problems: string[]
}

export function createTally(): Tally {
  return {
    kills: 0,
    unitsLost: 0,
    unitsChargedTwice: 0,
    answersWrong: 0,
    stuck: 0,
    restartsMs: [],
    answers: 0,
    brokenOff: 0,
    mostUnpaidTokens: 0,
    problems: [],
  }
}

/** Counts one problem. */
export function blame(
  tally: Tally,
  what: 'unitsLost' | 'unitsChargedTwice' | 'answersWrong' | 'stuck',
  by: number | bigint,
  why: string,
): void {
  if (Number(by) <= 0) return
  tally[what] += Number(by)
  tally.problems.push(`${what} +${by}: ${why}`)
}
