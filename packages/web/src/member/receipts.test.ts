import type { AnswerRecord } from '@freehold/core/device/records'
import type { Verdict } from '@freehold/core/wire/frames'
import { describe, expect, it } from 'vitest'
import type { BorrowedPart } from '../chats/chat.ts'
import { checkOf } from './receipts.ts'

const part = (where: 'here' | 'peer'): BorrowedPart => ({
  ...{ where, lender: null, receipt: null, tokens: 1, end: 'receipt', priceUnits: '0' },
})
const record = (verdict: Verdict | null, pooled: Verdict | null = verdict) =>
  ({ audit: verdict && { verdict }, pooled }) as unknown as AnswerRecord
const check = (parts: ('here' | 'peer')[], ...records: AnswerRecord[]) =>
  checkOf(parts.map(part), records)

describe('check of an answer', () => {
  it('default: passes when the audit of each borrowed part did', () => {
    expect(check(['peer'], record('pass'))).toBe('pass')
    expect(check(['peer', 'peer', 'here'], record('pass'), record('pass'))).toBe('pass')
  })

  it('behaviour: fails when one audit did, or the pool of its lender', () => {
    expect(check(['peer', 'peer'], record('pass'), record('fail'))).toBe('fail')
    expect(check(['peer'], record('pass', 'fail'))).toBe('fail')
  })

  it('behaviour: whatever is missing or undecided is not passed', () => {
    expect(check(['peer'], record('pending'))).toBe('none')
    expect(check(['peer'], record(null))).toBe('none')
    expect(check(['peer', 'peer'], record('pass'))).toBe('none')
    expect(check(['here'])).toBe('none')
  })
})
