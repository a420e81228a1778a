import type { AnswerRecord } from '@freehold/core/device/records'
import type { Verdict } from '@freehold/core/wire/frames'
import { describe, expect, it } from 'vitest'
import type { BorrowedPart } from '../chats/chat.ts'
import { checkOf } from './receipts.ts'

const part = (where: 'here' | 'peer', receipt: string, tokens = 1): BorrowedPart => ({
  ...{ where, lender: null, receipt, tokens, end: 'receipt', priceUnits: '0' },
})
const record = (verdict: Verdict | null, pooled: Verdict | null = verdict) =>
  ({ audit: verdict && { verdict }, pooled }) as unknown as AnswerRecord
/** The n-th record is of the n-th part. */
const check = (parts: ('here' | 'peer' | 'mute')[], ...records: AnswerRecord[]) =>
  checkOf(
    parts.map((by, i) => part(by === 'here' ? 'here' : 'peer', String(i), by === 'mute' ? 0 : 1)),
    records.map((row, i) => ({ ...row, id: String(i) })),
  )

describe('check of an answer', () => {
  it('default: passes when the audit of each borrowed part did', () => {
    expect(check(['peer'], record('pass'))).toBe('pass')
    expect(check(['peer', 'peer', 'here'], record('pass'), record('pass'))).toBe('pass')
  })

  it('behaviour: fails when one audit did, or the pool of its lender', () => {
    expect(check(['peer', 'peer'], record('pass'), record('fail'))).toBe('fail')
    expect(check(['peer'], record('pass', 'fail'))).toBe('fail')
  })

  it('behaviour: who wrote no word needs no pass, and passes nothing', () => {
    expect(check(['peer', 'mute'], record('pass'), record(null))).toBe('pass')
    expect(check(['mute', 'peer'], record(null), record('pass'))).toBe('pass')
    expect(check(['mute'], record('pass'))).toBe('none')
    expect(check(['peer', 'mute'], record('pass'), record('fail'))).toBe('fail')
  })

  it('behaviour: whatever is missing or undecided is not passed', () => {
    expect(check(['peer'], record('pending'))).toBe('none')
    expect(check(['peer'], record(null))).toBe('none')
    expect(check(['peer', 'peer'], record('pass'))).toBe('none')
    expect(check(['here'])).toBe('none')
  })
})
