import type { Model, Profile } from '../engine/engine.ts'
import { checkEvidence, type Evidence } from '../lending/evidence.ts'
import { type CalibrationTable, findTable } from './calibration.ts'
import { replayEvidence } from './replay.ts'
import { type AuditStatistics, summarise } from './statistics.ts'
import { EMPTY_POOL, type EvidencePool, type Judgement, judgeAnswer, weigh } from './verdict.ts'

export interface Audit extends Judgement {
  statistics: AuditStatistics
  /** What this answer adds to the lender's pool. */
  pool: EvidencePool
  seconds: number
}

/**
 * Audits an answer on a model that this device holds.
 * @param lender profile that the answer was made under, from its receipt or the offer
 */
export async function auditAnswer(
  evidence: Evidence,
  lender: Pick<Profile, 'backend' | 'kvType'>,
  components: { model: Model; tables: readonly CalibrationTable[]; now: () => number },
  init: { signal?: AbortSignal | undefined } = {},
): Promise<Audit> {
  const { model, tables, now } = components
  const started = now()
  const problem = await checkEvidence(evidence)
  if (problem !== null) {
    const statistics = summarise([], null)
    return {
      verdict: 'pending',
      why: `this is no evidence: ${problem}`,
      llr: {},
      statistics,
      pool: EMPTY_POOL,
      seconds: 0,
    }
  }
  const positions = await replayEvidence(model, evidence, init)
  const statistics = summarise(positions, evidence.receipt?.lps ?? null)
  const table = findTable(tables, model.info.modelId, lender, model.info.profile)
  const judgement = judgeAnswer(positions, statistics, table)
  const pool = table === undefined ? EMPTY_POOL : weigh(positions, table)
  return { ...judgement, statistics, pool, seconds: (now() - started) / 1_000 }
}
