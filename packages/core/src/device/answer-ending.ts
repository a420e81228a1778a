import { NEW_STANDING } from '../audit/standing.ts'
import type { Borrowed } from '../lending/borrow-terms.ts'
import { existing } from '../storage.ts'
import type { Verdict } from '../wire/frames.ts'
import type { AuditReport, AuditService } from './audits.ts'
import type { Parts } from './parts.ts'
import type { AnswerRecord } from './records.ts'

/** What follows a borrowed answer: standing, coin, audit, hold-back. */
export interface AnswerEnding {
  /** Answers whose own stream may still carry their last voucher, by request id in hex. */
  readonly leaving: ReadonlySet<string>
  /** Books an answer that has ended in its lender's standing. */
  note(record: AnswerRecord, borrowed: Borrowed): Promise<void>
  /** Draws the coin, audits if it falls so, then pays or keeps the hold-back. */
  settle(
    record: AnswerRecord,
    borrowed: Borrowed,
    holdBackMs: number | null,
  ): Promise<AuditReport | null>
}

const BLAMELESS: ReadonlySet<Borrowed['end']> = new Set(['cancelled', 'owner'])

/** How long before a hold-back's deadline it is paid at the latest. */
const HAND_OVER_MS = 5_000

export function createAnswerEnding(
  { tables, log }: Pick<Parts, 'tables' | 'log'>,
  { audits }: { audits: AuditService },
): AnswerEnding {
  const leaving = new Set<string>()

  async function note(record: AnswerRecord, borrowed: Borrowed): Promise<void> {
    // Nobody is to blame for what this borrower, or the lender's own owner, wanted.
    const isBroken = borrowed.error !== null && !BLAMELESS.has(borrowed.end)
    await tables.standing.update(record.lender, (old) => {
      const standing = old ?? NEW_STANDING
      return {
        ...standing,
        answers: standing.answers + 1,
        tokens: standing.tokens + record.tokens,
        brokenOff: standing.brokenOff + (isBroken ? 1 : 0),
        lateRefusals: standing.lateRefusals + (borrowed.isRefusedLate ? 1 : 0),
      }
    })
  }

  async function settle(
    record: AnswerRecord,
    borrowed: Borrowed,
    holdBackMs: number | null,
  ): Promise<AuditReport | null> {
    const isDrawn = await audits.draw(record)
    await tables.answers.update(record.id, (old) => ({ ...existing(old, record.id), isDrawn }))
    // The hold-back is paid in time even when the audit is not done.
    const late = holdBackMs === null ? undefined : AbortSignal.timeout(auditMs(holdBackMs))
    let report: AuditReport | null = null
    if (isDrawn) {
      try {
        report = await audits.audit(record.id, { signal: late })
      } catch (error) {
        log('audit.pending', { receipt: record.id, error: String(error) })
      }
    }
    // Another answer may have convicted the lender meanwhile: it is not paid any more.
    const isConvicted = Boolean((await tables.standing.get(record.lender))?.refusedBecause)
    const verdict: Verdict = isConvicted ? 'fail' : (report?.pooled ?? 'pending')
    if (record.payment === 'free') {
      await borrowed.conclude(verdict)
      return report
    }
    const payment = verdict === 'fail' ? 'withheld' : 'paid'
    // The record first: should this process die, the channel still says what is left to do.
    const paid = await tables.answers.update(record.id, (old) => ({
      ...existing(old, record.id),
      payment,
    }))
    leaving.add(record.id)
    await borrowed.conclude(verdict).finally(() => leaving.delete(record.id))
    return report && { ...report, record: existing(paid, record.id) }
  }

  return { leaving, note, settle }
}

/** Longest time for an audit: the lender began to count earlier, and the voucher has a way to go. */
function auditMs(holdBackMs: number): number {
  return holdBackMs - Math.min(HAND_OVER_MS, holdBackMs / 4)
}
