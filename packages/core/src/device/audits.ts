import { type Audit, auditAnswer, judgeReplay, undecided } from '../audit/audit.ts'
import { drawCoin } from '../audit/coin.ts'
import {
  auditRate,
  type Deterrence,
  deterrence,
  NEW_STANDING,
  noteAudit,
} from '../audit/standing.ts'
import { EMPTY_POOL } from '../audit/verdict.ts'
import { toHex } from '../bytes.ts'
import { UsageError } from '../errors.ts'
import { checkEvidence, type Evidence } from '../lending/evidence.ts'
import { existing } from '../storage.ts'
import type { Verdict } from '../wire/frames.ts'
import { manifestHash } from '../wire/manifest.ts'
import type { OwnAuditors } from './own-auditors.ts'
import type { Parts } from './parts.ts'
import type { AnswerRecord } from './records.ts'

/** What an audit says, of the answer alone and of everything that its lender has lent of this model. */
export interface AuditReport {
  record: AnswerRecord
  audit: Omit<Audit, 'pool'>
  /** Which other device of this owner replayed it, by its key in hex; null: this one, or none. */
  auditor: string | null
  pooled: Verdict
  /** Answers and tokens in the pool. */
  pool: {
    answers: number
    tokens: number
    llr: Record<string, number>
    expected: Record<string, number>
  }
  deterrence: Deterrence
}

/** An audit, who made it, and the manifest of the model that it was made on. */
interface MadeAudit {
  audit: Audit
  auditor: string | null
  manifestHash: Uint8Array | null
}

/** Judging borrowed answers. */
export interface AuditService {
  /** Draws the audit coin for an answer that has ended; the same answer always gets the same draw. */
  draw(record: AnswerRecord): Promise<boolean>
  /**
   * Audits a borrowed answer by replay and books the verdict. Where the model is not here, another
   * device of the same owner replays it; when none can, the verdict is pending and says why.
   * @param id request id, hex
   * @throws UsageError when there is no such answer
   */
  audit(id: string, init?: { signal?: AbortSignal | undefined }): Promise<AuditReport>
}

export function createAuditService(
  parts: Parts,
  { elsewhere }: { elsewhere: OwnAuditors },
): AuditService {
  const { tables, shelf, clock, calibration, identity, random } = parts
  const ownSecret = random(32)

  async function draw(record: AnswerRecord): Promise<boolean> {
    const standing = (await tables.standing.get(record.lender)) ?? NEW_STANDING
    const last = record.evidence?.signed?.runningHash
    if (last === undefined) return false
    return drawCoin(identity?.coinSecret ?? ownSecret, last, auditRate(standing))
  }

  async function audit(id: string, init: { signal?: AbortSignal | undefined } = {}) {
    const record = await tables.answers.get(id)
    if (record === undefined) {
      throw new UsageError({ what: `there is no receipt ${id}`, next: 'List them with: ledger' })
    }
    if (record.evidence === null) throw new UsageError({ what: 'this answer has no tokens' })
    const made = await judge(record, record.evidence, init)
    const { pool: own, ...audited } = requireTrueManifest(made, record)
    const { auditor } = made
    // Auditing the same answer twice adds no evidence; not having audited it adds none either.
    const isReplayed = audited.statistics.positions > 0
    let isFirst = false
    await tables.answers.update(id, (old) => {
      const before = existing(old, id)
      const wasReplayed = (before.audit?.statistics.positions ?? 0) > 0
      isFirst = isReplayed && !wasReplayed
      // What was found out stays, when the one who found it cannot be asked again.
      return wasReplayed && !isReplayed ? before : { ...before, audit: audited, auditor }
    })
    const standing = await book(
      record,
      { verdict: audited.verdict, why: audited.why, pool: own },
      isFirst,
    )
    const pool = standing.pools[record.modelId] ?? EMPTY_POOL
    const isWrong = standing.refusedBecause !== null
    const pooled: Verdict = isWrong ? 'fail' : audited.verdict
    const next = await tables.answers.update(id, (old) => ({ ...existing(old, id), pooled }))
    const report: AuditReport = {
      record: existing(next, id),
      audit: audited,
      auditor,
      pooled,
      pool,
      deterrence: deterrence(standing, {
        priceUnits: Number(record.priceUnits),
        heldUnits: Number(record.heldUnits),
        expectedLlr: leastExpected(own.expected),
      }),
    }
    return report
  }

  /** Replays here, or has another device of this owner do it; undecided when nobody can. */
  async function judge(
    record: AnswerRecord,
    evidence: Evidence,
    init: { signal?: AbortSignal | undefined },
  ): Promise<MadeAudit> {
    const { modelId, modelName } = record
    const lender = evidence.receipt?.body.profile ?? record.profile
    const shelved = await shelf.byId(modelId)
    if (shelved !== undefined) {
      const { model, file } = shelved
      const components = { model, tables: calibration, now: () => clock.now() }
      const audit = await auditAnswer(evidence, lender, components, init)
      return { audit, auditor: null, manifestHash: manifestHash(file.manifest) }
    }
    const problem = await checkEvidence(evidence)
    const made = problem === null ? await elsewhere.replay(evidence, init) : problem
    if (typeof made === 'string') {
      const why = problem === null ? `${modelName} is not here, and ${made}` : made
      return { audit: undecided(why), auditor: null, manifestHash: null }
    }
    const about = { modelId, lender, tables: calibration }
    return { ...made, audit: judgeReplay(evidence, made.replay, about) }
  }

  async function book(
    record: AnswerRecord,
    own: Parameters<typeof noteAudit>[2],
    isFirst: boolean,
  ) {
    const standing = await tables.standing.update(record.lender, (old) => {
      const before = old ?? NEW_STANDING
      return isFirst ? noteAudit(before, record.modelId, own).standing : before
    })
    return existing(standing, record.lender)
  }

  return { draw, audit }
}

/**
 * Who holds the whole model knows its manifest. A lender that offered another one made the borrower
 * ask in words of its own choice, however truly it answered then.
 */
function requireTrueManifest({ audit, manifestHash: own }: MadeAudit, record: AnswerRecord): Audit {
  // Answers of the first version say nothing of a manifest.
  const isUnknown = own === null || record.manifestHash === ''
  if (isUnknown || toHex(own) === record.manifestHash) return audit
  const why = 'the manifest that this lender offered is not the model’s'
  return { ...audit, verdict: 'fail', why, pool: EMPTY_POOL }
}

/** Evidence that the cheat which is hardest to tell would give; none without a table. */
function leastExpected(expected: Record<string, number>): number {
  const all = Object.values(expected)
  return all.length === 0 ? 0 : Math.min(...all)
}
