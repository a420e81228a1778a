import type { AnswerRecord } from '@freehold/core/device/records'
import type { BorrowedNote, BorrowedPart } from '../chats/chat.ts'

/** What the audits of an answer's borrowed parts say together: one failure is a failure. Who wrote nothing of it needs no pass. */
export function checkOf(
  parts: readonly BorrowedPart[],
  records: readonly AnswerRecord[],
): BorrowedNote['check'] {
  const verdicts = new Map(
    records.map(({ id, audit, pooled }) => [
      id,
      pooled === 'fail' ? 'fail' : (audit?.verdict ?? 'pending'),
    ]),
  )
  if ([...verdicts.values()].includes('fail')) return 'fail'
  const written = parts.filter(({ where, tokens }) => where === 'peer' && tokens > 0)
  const isPassed = ({ receipt }: BorrowedPart) => verdicts.get(receipt ?? '') === 'pass'
  return written.length > 0 && written.every(isPassed) ? 'pass' : 'none'
}
