import type { ChannelRecord } from '@freehold/core/clearing/channel'
import type { TransactionRecord } from '@freehold/core/clearing/noted-chain'
import { type Spent, spentByDay } from '@freehold/core/device/ledger'
import type { AnswerRecord } from '@freehold/core/device/records'
import type { BorrowedNote, Chat } from '../chats/chat.ts'

/** Where a token was made. */
export const PLACES = ['device', 'own', 'friends', 'market'] as const
export type Place = (typeof PLACES)[number]

/** One day, in UTC. */
export interface DayFigures {
  /** Such as `2026-11-22`. */
  day: string
  tokens: Readonly<Record<Place, number>>
  /** What borrowed answers cost, token units; each rounded up by itself. */
  spentUnits: bigint
  /** What was settled or set off for lending, token units. */
  earnedUnits: bigint
}

/** What an audit that replayed something measured. */
export interface MarginPoint {
  atMs: number
  /** Logits, each token's clipped at 1. */
  margin: number
  hasFailed: boolean
}

/** What a device keeps that figures are made of. */
export interface Kept {
  chats: readonly Chat[]
  answers: readonly AnswerRecord[]
  transactions: readonly TransactionRecord[]
  channels: readonly ChannelRecord[]
}

/**
 * What each day made and cost, first to last; days without anything are left out. Borrowed tokens come
 * from the device's book of answers, which outlives chats; who lent them from the chat, where it is
 * still there, else they count as the market's, the farthest.
 */
export function figuresByDay({ chats, answers, transactions, channels }: Kept): DayFigures[] {
  const days = new Map<string, Record<Place, number>>()
  const add = (atMs: number, place: Place, tokens: number) => {
    const day = new Date(atMs).toISOString().slice(0, 10)
    const row = days.get(day) ?? { device: 0, own: 0, friends: 0, market: 0 }
    row[place] += tokens
    days.set(day, row)
  }
  const rungs = new Map<string, BorrowedNote['rung']>()
  for (const { messages } of chats) {
    for (const { note, createdMs } of messages) {
      if (note === null) continue
      const { borrowed, tokens } = note
      if (borrowed === undefined) add(createdMs, 'device', tokens)
      for (const { where, receipt, tokens } of borrowed?.parts ?? []) {
        if (where === 'here') add(createdMs, 'device', tokens)
        if (receipt !== null && borrowed !== undefined) rungs.set(receipt, borrowed.rung)
      }
    }
  }
  for (const { id, startedAtMs, tokens } of answers) {
    add(startedAtMs, rungs.get(id) ?? 'market', tokens)
  }
  const spent = spentByDay(answers, transactions, channels)
  return [...new Set([...days.keys(), ...spent.keys()])].sort().map((day) => ({
    day,
    tokens: days.get(day) ?? { device: 0, own: 0, friends: 0, market: 0 },
    ...unitsOf(spent.get(day)),
  }))
}

function unitsOf(spent: Spent | undefined) {
  return {
    spentUnits: spent?.priceUnits ?? 0n,
    earnedUnits: (spent?.settledIn ?? 0n) + (spent?.setOffIn ?? 0n),
  }
}

export function tokensOf({ tokens }: DayFigures): number {
  return PLACES.reduce((sum, place) => sum + tokens[place], 0)
}

/**
 * What the same tokens would have cost elsewhere, less what they did cost, token units; below 0 where
 * they were dearer here.
 * @param unitsPerMillion price of a million answer tokens there
 */
export function savedUnits(day: DayFigures, unitsPerMillion: bigint): bigint {
  return (BigInt(tokensOf(day)) * unitsPerMillion) / 1_000_000n - day.spentUnits
}

/** Margins of audits, first to last. */
export function marginsOf(answers: readonly AnswerRecord[]): MarginPoint[] {
  return answers
    .flatMap(({ startedAtMs, audit, pooled }) =>
      audit === null || audit.statistics.positions === 0
        ? []
        : {
            atMs: startedAtMs,
            margin: audit.statistics.meanClippedMargin,
            hasFailed: audit.verdict === 'fail' || pooled === 'fail',
          },
    )
    .sort((one, other) => one.atMs - other.atMs)
}

/** A line a day, with a first line of names. */
export function figuresAsCsv(days: readonly DayFigures[]): string {
  const names = ['day', ...PLACES.map((place) => `tokens_${place}`), 'spent_units', 'earned_units']
  const lines = days.map(({ day, tokens, spentUnits, earnedUnits }) =>
    [day, ...PLACES.map((place) => tokens[place]), spentUnits, earnedUnits].join(','),
  )
  return `${[names.join(','), ...lines].join('\r\n')}\r\n`
}
