import type { Verdict } from '../wire/frames.ts'
import { addToPool, EMPTY_POOL, type EvidencePool, judgePool } from './verdict.ts'

/** What this device thinks of another: its own audits, payments, refusals and broken-off answers. */
export interface Standing {
  /** Answers that the other lent to us. */
  answers: number
  tokens: number
  audits: Record<Verdict, number>
  brokenOff: number
  /** Refusals after it had seen our half of the seed. */
  lateRefusals: number
  /** Estimated rate of bad answers (BOINC's adaptive replication): 0.1 at first, × 0.95 with each pass. */
  errorRate: number
  /** Evidence by model id. */
  pools: Record<string, EvidencePool>
  /** Set by a failing verdict, never unset by the device itself: nothing is asked or paid any more. */
  refusedBecause: string | null
  /** Answers that we lent to the other, and how many of its hold-backs never came. */
  lent: number
  unpaidHoldBacks: number
  /** What we gave up of late because it may have been lost, in 1/1e6 token units; fades with time. */
  forgiven: { raw: bigint; atMs: number }
}

export const NEW_STANDING: Standing = {
  answers: 0,
  tokens: 0,
  audits: { pass: 0, fail: 0, pending: 0 },
  brokenOff: 0,
  lateRefusals: 0,
  errorRate: 0.1,
  pools: {},
  refusedBecause: null,
  lent: 0,
  unpaidHoldBacks: 0,
  forgiven: { raw: 0n, atMs: 0 },
}

/** Every answer is audited until so many have been seen. */
const PROBATION_ANSWERS = 20
const LEAST_RATE = 0.02

/** Share of answers to audit, 0.02 to 1. */
export function auditRate(standing: Standing): number {
  if (standing.answers < PROBATION_ANSWERS) return 1
  return Math.max(LEAST_RATE, Math.min(1, 10 * standing.errorRate))
}

/** Books an audited answer, alone and in its pool. @returns the standing and what the pool says now */
export function noteAudit(
  standing: Standing,
  modelId: string,
  own: { verdict: Verdict; why: string; pool: EvidencePool },
): { standing: Standing; pooled: Verdict } {
  const pool = addToPool(standing.pools[modelId] ?? EMPTY_POOL, own.pool)
  const pooled = judgePool(pool)
  const isWrong = own.verdict === 'fail' || pooled === 'fail'
  const verdict: Verdict = isWrong ? 'fail' : own.verdict
  const rate = verdict === 'pass' ? 0.95 * standing.errorRate : standing.errorRate
  const next: Standing = {
    ...standing,
    audits: { ...standing.audits, [verdict]: standing.audits[verdict] + 1 },
    errorRate: isWrong ? 1 : rate,
    pools: { ...standing.pools, [modelId]: pool },
    refusedBecause: isWrong ? (standing.refusedBecause ?? own.why) : standing.refusedBecause,
  }
  return { standing: next, pooled: isWrong ? 'fail' : pooled }
}

/** Whether cheating pays: p·d·L ≥ g (trust model, PoSP). All amounts in token units. */
export interface Deterrence {
  /** Audit rate. */
  p: number
  /** Chance that one audited answer of this kind is convicted. */
  d: number
  /** What a convicted lender loses: the unpaid tail, and answers until a new name has earned trust. */
  lossUnits: number
  /** What cheating could save on this answer, at most its price. */
  gainUnits: number
  isDeterred: boolean
}

export function deterrence(
  standing: Standing,
  answer: { priceUnits: number; heldUnits: number; expectedLlr: number },
): Deterrence {
  const p = auditRate(standing)
  // The ratio of a cheat's answer is about normal with variance twice its mean.
  const sigma = Math.sqrt(2 * Math.max(answer.expectedLlr, 1e-9))
  const d = normalCdf((answer.expectedLlr - Math.log(1e6)) / sigma)
  const lossUnits = answer.heldUnits + PROBATION_ANSWERS * answer.priceUnits
  return {
    p,
    d,
    lossUnits,
    gainUnits: answer.priceUnits,
    isDeterred: p * d * lossUnits >= answer.priceUnits,
  }
}

/** Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7. */
function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * x)
  const poly =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  const erf = 1 - poly * Math.exp(-x * x)
  return z >= 0 ? (1 + erf) / 2 : (1 - erf) / 2
}
