import type { AnswerRecord } from '@freehold/core/device/records'
import type { BorrowedNote, BorrowedPart } from '../chats/chat.ts'

/** What the audits of an answer's borrowed parts say together: one failure is a failure. */
export function checkOf(
  parts: readonly BorrowedPart[],
  records: readonly AnswerRecord[],
): BorrowedNote['check'] {
  const verdicts = records.map(({ audit, pooled }) =>
    pooled === 'fail' ? 'fail' : (audit?.verdict ?? 'pending'),
  )
  if (verdicts.includes('fail')) return 'fail'
  const borrowed = parts.filter(({ where }) => where === 'peer')
  const isWhole = records.length === borrowed.length && borrowed.length > 0
  return isWhole && verdicts.every((verdict) => verdict === 'pass') ? 'pass' : 'none'
}
