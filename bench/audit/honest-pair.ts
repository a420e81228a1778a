import type { CalibrationTable } from '../../packages/core/src/audit/calibration.ts'
import type { ReplayedPosition } from '../../packages/core/src/audit/replay.ts'
import { summarise } from '../../packages/core/src/audit/statistics.ts'
import {
  addToPool,
  EARLY_STOP,
  EMPTY_POOL,
  type EvidencePool,
  judgeAnswer,
  judgePool,
  weigh,
} from '../../packages/core/src/audit/verdict.ts'

/** Tokens of one audit: the least that a verdict is given on, where false alarms would come first. */
export const WINDOW = 32

/** What one honest lender's answers look like to one auditor. */
export interface HonestPair {
  lender: string
  auditor: string
  audits: number
  /** Audits that failed an honest lender, and whether all of them together would have. */
  falseAlarms: number
  isPoolFailed: boolean
  /** Ends of text among them. */
  endings: number
  /** Tokens that are not the auditor's own choice, per cent. */
  mismatchPercent: number
  /** Of min(margin, 1) over all tokens, in logits. */
  meanClippedMargin: number
  /** The worst audit's. */
  worstMeanClippedMargin: number
  /** 99th percentile and maximum of the margins, in logits. */
  marginP99: number
  marginMax: number
}

/** Adds up the audits of one honest pair. */
export class HonestTally {
  readonly #names: { lender: string; auditor: string }
  readonly #table: CalibrationTable
  readonly #off: number[] = []
  #pool: EvidencePool = EMPTY_POOL
  #isPoolFailed = false
  #audits = 0
  #falseAlarms = 0
  #endings = 0
  #tokens = 0
  #clipped = 0
  #worst = 0

  constructor(names: { lender: string; auditor: string }, table: CalibrationTable) {
    this.#names = names
    this.#table = table
  }

  /** Books one answer, cut into audits. @param ends positions with which such an answer might have ended */
  add(positions: readonly ReplayedPosition[], ends: readonly ReplayedPosition[]): void {
    for (const audited of windowsOf(positions)) {
      const statistics = summarise(audited, null)
      this.#audits++
      this.#tokens += audited.length
      this.#clipped += statistics.meanClippedMargin * audited.length
      this.#worst = Math.max(this.#worst, statistics.meanClippedMargin)
      if (judgeAnswer(audited, statistics, this.#table).verdict === 'fail') this.#falseAlarms++
      this.#book(weigh(audited, this.#table))
      for (const { margin } of audited) if (margin > 0) this.#off.push(margin)
    }
    for (const end of ends) {
      const { llr } = weigh([end], this.#table, { isEnded: true })
      this.#endings++
      this.#book({ ...EMPTY_POOL, llr: { [EARLY_STOP]: llr[EARLY_STOP] ?? 0 } })
    }
  }

  #book(evidence: EvidencePool): void {
    this.#pool = addToPool(this.#pool, evidence)
    if (judgePool(this.#pool) === 'fail') this.#isPoolFailed = true
  }

  figures(): HonestPair {
    const off = this.#off.toSorted((a, b) => a - b)
    const rank = Math.floor(0.99 * this.#tokens) - (this.#tokens - off.length)
    return {
      ...this.#names,
      audits: this.#audits,
      falseAlarms: this.#falseAlarms,
      isPoolFailed: this.#isPoolFailed,
      endings: this.#endings,
      mismatchPercent: (100 * off.length) / this.#tokens,
      meanClippedMargin: this.#clipped / this.#tokens,
      worstMeanClippedMargin: this.#worst,
      marginP99: rank < 0 ? 0 : (off[rank] ?? 0),
      marginMax: off.at(-1) ?? 0,
    }
  }
}

/** An answer in audits of `WINDOW` tokens; what is left over at its end is no audit. */
export function windowsOf(positions: readonly ReplayedPosition[]): ReplayedPosition[][] {
  return Array.from({ length: Math.floor(positions.length / WINDOW) }, (_, i) =>
    positions.slice(i * WINDOW, (i + 1) * WINDOW),
  )
}
