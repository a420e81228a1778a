import type { AnswerMeter, ChannelRecord } from '../clearing/channel.ts'
import { closeUnpaid, foldAnswer, holdAnswer } from '../clearing/meter.ts'
import { answerPayer } from '../clearing/payer.ts'
import type { Deadlines } from '../lending/deadlines.ts'
import type { Parts } from './parts.ts'

/** What a process that died left on the channels is ended by the next one, once it must be dead. */

/** Processes of one device share a clock, but not their load. */
export const LEFT_OVER_GRACE_MS = 5_000

/** Whether an answer is older than any answer can get; the process that ran it is gone. */
export function isLeftOver(startedAtMs: number, nowMs: number, deadlines: Deadlines): boolean {
  const { handshakeMs, totalMs } = deadlines
  return nowMs > startedAtMs + handshakeMs + totalMs + LEFT_OVER_GRACE_MS
}

/**
 * The lender's side, on one channel: answers left streaming are held, so that a voucher for them may
 * still come; hold-backs whose deadline passed are unpaid. What nothing is known to be owed for ends.
 */
export function endLentLeftOvers(
  record: ChannelRecord,
  { nowMs, holdBackMs, deadlines }: { nowMs: number; holdBackMs: number; deadlines: Deadlines },
): ChannelRecord {
  let next = record
  for (const [reqId, meter] of Object.entries(record.answers)) {
    const isLate = meter.state === 'held' && (meter.holdBackUntilMs ?? 0) < nowMs
    if (isLate && meter.paidTokens >= meter.signedTokens) next = foldAnswer(next, reqId)
    else if (isLate) next = closeUnpaid(next, reqId, 'unpaid')
    else if (meter.state === 'streaming' && isLeftOver(meter.startedAtMs, nowMs, deadlines)) {
      next = holdAnswer(next, reqId, nowMs + holdBackMs)
    }
  }
  return next
}

/**
 * The borrower's side, on all channels: what is on disk under the lender's signature is owed, and is
 * paid with a voucher for later delivery, unless the lender was convicted meanwhile.
 */
export async function endBorrowedLeftOvers(parts: Parts): Promise<void> {
  const { tables, clock, deadlines, log } = parts
  for (const [, record] of await tables.channels.list()) {
    if (record.role !== 'payer') continue
    for (const [reqId, meter] of Object.entries(record.answers)) {
      const isDead =
        meter.state === 'streaming'
          ? isLeftOver(meter.startedAtMs, clock.now(), deadlines)
          : meter.state === 'held' &&
            (meter.holdBackUntilMs ?? 0) + LEFT_OVER_GRACE_MS < clock.now()
      if (!isDead) continue
      log('borrow.left-over', { answer: reqId, state: meter.state })
      await endOne(parts, record, reqId, meter)
    }
  }
}

async function endOne(
  { tables, identity, clock }: Parts,
  { id, peer }: ChannelRecord,
  reqId: string,
  { signedTokens, state }: AnswerMeter,
): Promise<void> {
  if (identity === null) return
  const payer = answerPayer(tables.channels, identity.voucherSigner, id, reqId)
  const answer = await tables.answers.get(reqId)
  // What can be shown is owed, even when the process died before the meter said so.
  const signed = Math.max(signedTokens, answer?.evidence?.signed?.count ?? 0)
  const isHeld = state === 'held' || (await payer.hold(signed, clock.now()))
  const isConvicted = Boolean((await tables.standing.get(peer))?.refusedBecause)
  // The record first: should this process die too, the meter still says that there is work left.
  await tables.answers.update(reqId, (old) => {
    if (old === undefined) return old
    const payment = isHeld && isConvicted ? 'withheld' : 'paid'
    return { ...old, payment, end: old.end === RUNNING ? 'lost' : old.end }
  })
  if (isHeld && isConvicted) await payer.withhold()
  else if (isHeld) await payer.release(answer?.evidence?.signed?.runningHash ?? new Uint8Array(32))
}

/** How the record of an answer says that it has not ended. */
export const RUNNING = 'running'
