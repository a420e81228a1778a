import type { Model, Profile } from '../engine/engine.ts'
import { checkEvidence, type Evidence } from '../lending/evidence.ts'
import { type CalibrationTable, findTable } from './calibration.ts'
import { type ReplayedPosition, replayEvidence } from './replay.ts'
import { type AuditStatistics, summarise } from './statistics.ts'
import { EMPTY_POOL, type EvidencePool, type Judgement, judgeAnswer, weigh } from './verdict.ts'

export interface Audit extends Judgement {
  statistics: AuditStatistics
  /** What this answer adds to the lender's pool. */
  pool: EvidencePool
  seconds: number
}

/** A replay, wherever it was made. */
export interface Replay {
  positions: readonly ReplayedPosition[]
  /** Profile of the device that made it. */
  auditor: Pick<Profile, 'backend' | 'kvType'>
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
  if (problem !== null) return undecided(`this is no evidence: ${problem}`)
  const positions = await replayEvidence(model, evidence, init)
  const { modelId, profile: auditor } = model.info
  const replay = { positions, auditor, seconds: (now() - started) / 1_000 }
  return judgeReplay(evidence, replay, { modelId, lender, tables })
}

/**
 * Judges an answer by a replay of it. The lender's opened log-probabilities, if its receipt has
 * some, are compared here: who replays needs them not, and could copy them.
 */
export function judgeReplay(
  evidence: Evidence,
  { positions, auditor, seconds }: Replay,
  about: {
    modelId: string
    lender: Pick<Profile, 'backend' | 'kvType'>
    tables: readonly CalibrationTable[]
  },
): Audit {
  const statistics = summarise(positions, evidence.receipt?.lps ?? null)
  const table = findTable(about.tables, about.modelId, about.lender, auditor)
  const finish = evidence.receipt?.body.finish
  const isEnded = finish === 'eos' || finish === 'stop'
  const judgement = judgeAnswer(positions, statistics, table, { isEnded })
  const pool = table === undefined ? EMPTY_POOL : weigh(positions, table, { isEnded })
  return { ...judgement, statistics, pool, seconds }
}

/** An audit that nobody has made yet, or could make. */
export function undecided(why: string): Audit {
  const statistics = summarise([], null)
  return { verdict: 'pending', why, llr: {}, statistics, pool: EMPTY_POOL, seconds: 0 }
}
