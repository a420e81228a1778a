import { type Audit, auditAnswer } from '../audit/audit.ts'
import { drawCoin } from '../audit/coin.ts'
import {
  auditRate,
  type Deterrence,
  deterrence,
  NEW_STANDING,
  noteAudit,
} from '../audit/standing.ts'
import { EMPTY_POOL } from '../audit/verdict.ts'
import { ModelError, UsageError } from '../errors.ts'
import { existing } from '../storage.ts'
import type { Verdict } from '../wire/frames.ts'
import type { Parts } from './parts.ts'
import type { AnswerRecord } from './records.ts'

/** What an audit says, of the answer alone and of everything that its lender has lent of this model. */
export interface AuditReport {
  record: AnswerRecord
  audit: Omit<Audit, 'pool'>
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

/** Judging borrowed answers. */
export interface AuditService {
  /** Draws the audit coin for an answer that has ended; the same answer always gets the same draw. */
  draw(record: AnswerRecord): Promise<boolean>
  /**
   * Audits a borrowed answer by replay and books the verdict.
   * @param id request id, hex
   * @throws UsageError when there is no such answer, ModelError when the model is not here
   */
  audit(id: string, init?: { signal?: AbortSignal | undefined }): Promise<AuditReport>
}

export function createAuditService(parts: Parts): AuditService {
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
    const model = (await shelf.byId(record.modelId))?.model
    if (model === undefined) {
      throw new ModelError({ what: `${record.modelName} is not here`, why: 'an audit needs it' })
    }
    const profile = record.evidence.receipt?.body.profile ?? record.profile
    const components = { model, tables: calibration, now: () => clock.now() }
    const { pool: own, ...audited } = await auditAnswer(record.evidence, profile, components, init)
    let isFirst = false
    await tables.answers.update(id, (old) => {
      isFirst = existing(old, id).audit === null
      return { ...existing(old, id), audit: audited }
    })
    const standing = await book(
      record,
      { verdict: audited.verdict, why: audited.why, pool: own },
      isFirst,
    )
    const pool = standing.pools[record.modelId] ?? EMPTY_POOL
    const isWrong = standing.refusedBecause !== null
    const pooled: Verdict = isWrong ? 'fail' : audited.verdict
    const next = await tables.answers.update(id, (old) => ({
      ...existing(old, id),
      audit: audited,
      pooled,
    }))
    const report: AuditReport = {
      record: existing(next, id),
      audit: audited,
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

  async function book(
    record: AnswerRecord,
    own: Parameters<typeof noteAudit>[2],
    isFirst: boolean,
  ) {
    const standing = await tables.standing.update(record.lender, (old) => {
      const before = old ?? NEW_STANDING
      // Auditing the same answer twice adds no evidence.
      return isFirst ? noteAudit(before, record.modelId, own).standing : before
    })
    return existing(standing, record.lender)
  }

  return { draw, audit }
}

/** Evidence that the cheat which is hardest to tell would give; none without a table. */
function leastExpected(expected: Record<string, number>): number {
  const all = Object.values(expected)
  return all.length === 0 ? 0 : Math.min(...all)
}
