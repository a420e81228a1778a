import type { Completion } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { Scope } from '@freehold/core/wire/frames'
import type { BorrowedNote, BorrowedPart } from '../chats/chat.ts'
import { checkOf } from './receipts.ts'

/** What a chat keeps of a borrowed answer; its evidence stays with the device. */
export async function describeBorrowed(
  device: Device,
  {
    parts: written,
    record,
    redacted,
    ids,
  }: Pick<Completion, 'parts' | 'record' | 'redacted' | 'ids'>,
  scope: Exclude<Scope, 'device'>,
): Promise<BorrowedNote> {
  const parts: BorrowedPart[] = written.map(
    ({ where, lender, receipt, tokens, end, priceUnits }) => ({
      ...{ where, lender, receipt, tokens, end },
      priceUnits: String(priceUnits),
    }),
  )
  // Whoever broke off at once has a receipt and no part.
  if (record !== null && !parts.some(({ receipt }) => receipt === record.id)) {
    const { id: receipt, lender, end } = record
    const isAlone = parts.length === 0
    parts.push({
      ...{ where: 'peer', lender, receipt, end, tokens: isAlone ? ids.length : 0 },
      priceUnits: String(record.priceUnits),
    })
  }
  const receipts = parts.flatMap(({ receipt }) => receipt ?? [])
  const found = await Promise.all(receipts.map((id) => device.tables.answers.get(id)))
  const records = found.filter((row) => row !== undefined)
  const lenders = parts.flatMap(({ lender }) => lender ?? [])
  const rungs = await Promise.all(lenders.map((lender) => device.peers.rung(lender)))
  const rung = (['market', 'friends'] as const).find((far) => rungs.includes(far)) ?? 'own'
  return { scope, rung, check: checkOf(parts, records), parts, redacted }
}
