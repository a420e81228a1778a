import { NEW_STANDING } from '../audit/standing.ts'
import { toHex } from '../bytes.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { LendingError } from '../errors.ts'
import type { LentAnswer } from '../lending/lent-answer.ts'
import type { OfferedPayment } from '../wire/offer.ts'
import { forgiveUnpaid } from './forgiveness.ts'
import { endLentLeftOvers, isLeftOver, RUNNING } from './left-overs.ts'
import type { Parts } from './parts.ts'
import type { LentRecord } from './records.ts'

/** What an answer is known by before it has ended. */
type Begun = Pick<LentRecord, 'borrower' | 'modelId' | 'startedAtMs'>

/** The answers that this device lends, and what it thinks of who borrows them. */
export interface LentBook {
  /**
   * Puts a beginning answer on disk, before its channel knows it: whoever finds it unfinished can
   * tell how old it is.
   * @throws LendingError `protocol` when the request id was used before
   */
  begin(reqId: Uint8Array, answer: Begun & { promptTokens: number }): Promise<void>
  /** Books an answer that has ended; null when it never began. */
  end(answer: LentAnswer, begun: Begun): Promise<LentRecord | null>
  /** Ends the records that a dead process left running; what they owe is in their channels. */
  endLeftOvers(): Promise<void>
  /**
   * Books hold-backs whose deadline passed, and forgives what may be.
   * @throws LendingError `standing` while the borrower owes more: it gets no more credit
   */
  requireCredit(
    channel: ChannelRecord,
    init: { payment: OfferedPayment; exposures: number },
  ): Promise<void>
  /** Whether this borrower was lent to before, and owes nothing. */
  hasHistory(borrower: string): Promise<boolean>
}

export function createLentBook({
  tables,
  clock,
  deadlines,
}: Pick<Parts, 'tables' | 'clock' | 'deadlines'>): LentBook {
  return {
    begin: async (reqId, answer) => {
      const id = toHex(reqId)
      await tables.lent.update(id, (old) => {
        if (old !== undefined) {
          throw new LendingError('protocol', { what: 'this request id was used before' })
        }
        return { ...answer, id, tokens: 0, end: RUNNING, isUnpaid: false, verdict: null }
      })
    },
    endLeftOvers: async () => {
      for (const [id, { end, startedAtMs }] of await tables.lent.list()) {
        if (end !== RUNNING || !isLeftOver(startedAtMs, clock.now(), deadlines)) continue
        await tables.lent.update(id, (old) => old && { ...old, end: 'lost' })
      }
    },
    end: async (answer, begun) => {
      if (answer.reqId === null) return null
      const id = toHex(answer.reqId)
      const { tokens, promptTokens, isUnpaid, verdict } = answer
      const end = answer.error?.reason ?? answer.finish ?? 'lost'
      const record = { ...begun, id, tokens, promptTokens, end, isUnpaid, verdict }
      await tables.lent.put(id, record)
      await tables.standing.update(begun.borrower, (old) => {
        const standing = old ?? NEW_STANDING
        return { ...standing, lent: standing.lent + 1 }
      })
      return record
    },
    requireCredit: async (channel, { payment, exposures }) => {
      const nowMs = clock.now()
      const { holdBackMs } = payment
      const standing = { ...NEW_STANDING, ...(await tables.standing.get(channel.peer)) }
      let { forgiven } = standing
      const record = await tables.channels.update(channel.id, (old) => {
        if (old === undefined) return old
        const ended = endLentLeftOvers(old, { nowMs, holdBackMs, deadlines })
        const after = forgiveUnpaid(ended, standing, { payment, exposures, nowMs })
        forgiven = after.forgiven
        return after.record
      })
      const unpaid = Object.values(record?.answers ?? {}).filter(
        ({ state }) => state === 'unpaid' || state === 'withheld',
      ).length
      await tables.standing.update(channel.peer, (old) => {
        const isSame = old?.unpaidHoldBacks === unpaid && old.forgiven.raw === forgiven.raw
        return isSame ? old : { ...(old ?? NEW_STANDING), unpaidHoldBacks: unpaid, forgiven }
      })
      if (unpaid === 0) return
      throw new LendingError('standing', { what: `${unpaid} hold-backs of yours were never paid` })
    },
    hasHistory: async (borrower) => {
      const standing = await tables.standing.get(borrower)
      return standing !== undefined && standing.lent > 0 && standing.unpaidHoldBacks === 0
    },
  }
}
