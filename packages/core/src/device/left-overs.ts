import { fromHex } from '../bytes.ts'
import type { AnswerMeter, ChannelRecord } from '../clearing/channel.ts'
import { closeUnpaid, foldAnswer, holdAnswer } from '../clearing/meter.ts'
import { answerPayer } from '../clearing/payer.ts'
import type { Deadlines } from '../lending/deadlines.ts'
import type { VoucherFrame } from '../wire/frames.ts'
import type { Parts } from './parts.ts'

/** What a process that died left on the channels is ended by the next one, once it must be dead. */

/** Processes of one device share a clock, but not their load. */
const GRACE_MS = 5_000

/** Whether an answer is older than any answer can get; the process that ran it is gone. */
function isLeftOver(startedAtMs: number | undefined, nowMs: number, deadlines: Deadlines): boolean {
  const { handshakeMs, totalMs } = deadlines
  return startedAtMs === undefined || nowMs > startedAtMs + handshakeMs + totalMs + GRACE_MS
}

/**
 * The lender's side, on one channel: answers left streaming are held, so that a voucher for them may
 * still come; hold-backs whose deadline passed are unpaid. What nothing is known to be owed for ends.
 * @param startedAtMs when each answer that is looked at began, by request id in hex; undefined when
 * that is not known. Those that are not in it have begun since, and are left alone.
 */
export function endLentLeftOvers(
  record: ChannelRecord,
  startedAtMs: ReadonlyMap<string, number | undefined>,
  { nowMs, holdBackMs, deadlines }: { nowMs: number; holdBackMs: number; deadlines: Deadlines },
): ChannelRecord {
  let next = record
  for (const [reqId, meter] of Object.entries(record.answers)) {
    const isLate = meter.state === 'held' && (meter.holdBackUntilMs ?? 0) < nowMs
    if (isLate && meter.paidTokens >= meter.signedTokens) next = foldAnswer(next, reqId)
    else if (isLate) next = closeUnpaid(next, reqId, 'unpaid')
    else if (meter.state === 'streaming' && startedAtMs.has(reqId)) {
      const isDead = isLeftOver(startedAtMs.get(reqId), nowMs, deadlines)
      if (isDead) next = holdAnswer(next, reqId, nowMs + holdBackMs)
    }
  }
  return next
}

/**
 * The borrower's side, on all channels: what is on disk under the lender's signature is owed, and is
 * paid with a voucher for later delivery, unless the lender was convicted meanwhile.
 */
export async function endBorrowedLeftOvers(
  parts: Parts,
  keep: (lender: Uint8Array, voucher: VoucherFrame) => Promise<void>,
): Promise<void> {
  const { tables, clock, deadlines, log } = parts
  for (const [, record] of await tables.channels.list()) {
    if (record.role !== 'payer') continue
    for (const [reqId, meter] of Object.entries(record.answers)) {
      const answer = await tables.answers.get(reqId)
      const isDead =
        meter.state === 'streaming'
          ? isLeftOver(answer?.startedAtMs, clock.now(), deadlines)
          : meter.state === 'held' && (meter.holdBackUntilMs ?? 0) + GRACE_MS < clock.now()
      if (!isDead) continue
      log('borrow.left-over', { answer: reqId, state: meter.state })
      await endOne(parts, record, reqId, meter, keep)
    }
  }
}

async function endOne(
  { tables, identity, clock }: Parts,
  { id, peer }: ChannelRecord,
  reqId: string,
  { signedTokens, state }: AnswerMeter,
  keep: (lender: Uint8Array, voucher: VoucherFrame) => Promise<void>,
): Promise<void> {
  if (identity === null) return
  const payer = answerPayer(tables.channels, identity.voucherSigner, id, reqId)
  const isHeld = state === 'held' || (await payer.hold(signedTokens, clock.now()))
  const isConvicted = Boolean((await tables.standing.get(peer))?.refusedBecause)
  const answer = await tables.answers.get(reqId)
  if (isHeld && isConvicted) await payer.withhold()
  else if (isHeld) {
    const last = answer?.evidence?.signed?.runningHash ?? new Uint8Array(32)
    await keep(fromHex(peer), await payer.release(last))
  }
  await tables.answers.update(reqId, (old) => {
    if (old === undefined) return old
    const payment = isHeld && isConvicted ? 'withheld' : 'paid'
    const tokens = Math.max(old.tokens, signedTokens)
    return { ...old, payment, tokens, end: old.end === RUNNING ? 'lost' : old.end }
  })
}

/** How the record of an answer says that it has not ended. */
export const RUNNING = 'running'

/** When each answer of a channel began; undefined where no record says it. */
export async function startsOf(
  { answers }: Pick<ChannelRecord, 'answers'>,
  table: { get(key: string): Promise<{ startedAtMs: number } | undefined> },
): Promise<Map<string, number | undefined>> {
  const found = new Map<string, number | undefined>()
  for (const reqId of Object.keys(answers)) found.set(reqId, (await table.get(reqId))?.startedAtMs)
  return found
}
