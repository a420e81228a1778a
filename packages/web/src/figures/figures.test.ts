import type { ChannelRecord } from '@freehold/core/clearing/channel'
import type { AnswerRecord } from '@freehold/core/device/records'
import { describe, expect, it } from 'vitest'
import { emptyChat, said } from '../chats/chat.fixture.ts'
import type { Chat } from '../chats/chat.ts'
import { addMessage } from '../chats/chat.ts'
import { figuresAsCsv, figuresByDay, type Kept, marginsOf, savedUnits } from './figures.ts'

const DAY_MS = 86_400_000
const MONDAY_MS = Date.UTC(2026, 10, 23, 23)
const MONDAY = '2026-11-23'
const TUESDAY = '2026-11-24'
const NOBODY: Kept = { chats: [], answers: [], transactions: [], channels: [] }

const statistics = (positions: number, meanClippedMargin: number) => ({
  ...{ positions, meanClippedMargin, matches: 1, hard: 0, out: 0 },
  ...{ lpMeanDelta: null, lpP99Delta: null },
})

function answer(init: Partial<AnswerRecord>): AnswerRecord {
  return {
    ...{ id: 'a1', startedAtMs: MONDAY_MS, tokens: 0, priceUnits: 0n, audit: null, pooled: null },
    ...init,
  } as AnswerRecord
}

/** A chat with an answer of this device and one that began at a friend's and ended here. */
function chat(): Chat {
  const note = { model: 'acorn', modelId: 'ab', totalMs: 1 }
  const here = { ...said('b', 'a', 'assistant', 'x'), createdMs: MONDAY_MS }
  const both = { ...said('c', 'b', 'assistant', 'x'), createdMs: MONDAY_MS + DAY_MS }
  const part = { lender: 'cd', priceUnits: '3', end: 'receipt' }
  const parts = [
    { ...part, where: 'peer' as const, receipt: 'a1', tokens: 20 },
    { ...part, where: 'here' as const, receipt: null, tokens: 4 },
  ]
  const of = { scope: 'market', rung: 'friends', check: 'pass', parts, redacted: {} } as const
  const asked = addMessage(emptyChat(), said('a', null, 'user', 'q'))
  const once = addMessage(asked, { ...here, note: { ...note, tokens: 7 } })
  return addMessage(once, { ...both, note: { ...note, tokens: 24, borrowed: of } })
}

describe('figures', () => {
  it('default: counts tokens by where they were made, and what they cost', () => {
    const answers = [
      answer({ startedAtMs: MONDAY_MS + DAY_MS, tokens: 20, priceUnits: 3n }),
      // Its chat was deleted.
      answer({ id: 'a2', tokens: 11, priceUnits: 5n }),
    ]
    expect(figuresByDay({ ...NOBODY, chats: [chat()], answers })).toEqual([
      {
        day: MONDAY,
        tokens: { device: 7, own: 0, friends: 0, market: 11 },
        ...{ spentUnits: 5n, earnedUnits: 0n },
      },
      {
        day: TUESDAY,
        tokens: { device: 4, own: 0, friends: 20, market: 0 },
        ...{ spentUnits: 3n, earnedUnits: 0n },
      },
    ])
  })

  it('behaviour: earned is what was cleared for lending, on a day without any token too', () => {
    const cleared = { [TUESDAY]: { settled: 8n, setOff: 2n } }
    const channels = [
      { role: 'payee', cleared },
      { role: 'payer', cleared },
    ] as unknown as ChannelRecord[]
    const [only] = figuresByDay({ ...NOBODY, channels })
    expect(only).toMatchObject({ day: TUESDAY, spentUnits: 0n, earnedUnits: 10n })
  })

  it('behaviour: saved is what they would have cost elsewhere, less what they did', () => {
    const [day] = figuresByDay({ ...NOBODY, answers: [answer({ tokens: 500, priceUnits: 4n })] })
    expect(savedUnits(day!, 20_000n)).toBe(6n)
    expect(savedUnits(day!, 2_000n)).toBe(-3n)
  })

  it('behaviour: margins are those of audits that replayed something', () => {
    const audit = (verdict: 'pass' | 'fail', positions: number, margin: number) =>
      ({
        verdict,
        why: '',
        llr: {},
        seconds: 1,
        statistics: statistics(positions, margin),
      }) as const
    expect(
      marginsOf([
        answer({ startedAtMs: 9, audit: audit('fail', 3, 0.5) }),
        answer({ startedAtMs: 8, audit: audit('pass', 0, 0) }),
        answer({ startedAtMs: 7, audit: audit('pass', 3, 0.01), pooled: 'fail' }),
        answer({ startedAtMs: 6, audit: audit('pass', 3, 0) }),
        answer({ startedAtMs: 5 }),
      ]),
    ).toEqual([
      { atMs: 6, margin: 0, hasFailed: false },
      { atMs: 7, margin: 0.01, hasFailed: true },
      { atMs: 9, margin: 0.5, hasFailed: true },
    ])
  })

  it('default: goes out as a table that others read', () => {
    const days = figuresByDay({ ...NOBODY, answers: [answer({ tokens: 11, priceUnits: 5n })] })
    expect(figuresAsCsv(days)).toBe(
      'day,tokens_device,tokens_own,tokens_friends,tokens_market,spent_units,earned_units\r\n' +
        '2026-11-23,0,0,0,11,5,0\r\n',
    )
  })
})
