import { toHex } from '../bytes.ts'
import type { PriceQuote } from '../clearing/budget.ts'
import { rawCost, units } from '../clearing/meter.ts'
import type { ModelInfo } from '../engine/engine.ts'
import { finishOf } from '../engine/generate.ts'
import { ClearingError, FreeholdError } from '../errors.ts'
import { byRung } from '../routing/route.ts'
import type { Finish } from '../wire/frames.ts'
import {
  type AnswerBreak,
  type AnswerPart,
  breakReason,
  ceilingsLeft,
  isFault,
  MOST_LENDERS,
  partHere,
  partOf,
  worstReport,
} from './answer-parts.ts'
import { askHedged, type HedgeInit } from './ask-hedged.ts'
import type { AuditReport } from './audits.ts'
import type { BorrowQuestion, BorrowResult, BorrowService } from './borrowing.ts'
import type { Choice } from './lenders.ts'
import type { Parts } from './parts.ts'
import type { AnswerRecord } from './records.ts'

/** What this device writes itself after the ids that are there already. @throws what the engine throws */
export type WriteHere = (
  already: readonly number[],
  init: {
    /** @default random */
    seed?: Uint8Array | undefined
    signal: AbortSignal | undefined
    onTokens: (ids: readonly number[]) => void
  },
) => Promise<{ ids: number[]; finish: Finish | null }>

/** One answer, whoever writes it. */
export interface LendersQuestion
  extends Pick<
    BorrowQuestion,
    | 'templateHash'
    | 'manifestHash'
    | 'promptIds'
    | 'maxTokens'
    | 'temperature'
    | 'scope'
    | 'why'
    | 'redacted'
    | 'ceilings'
    | 'signal'
    | 'onOpening'
  > {
  /** Whom to ask first. */
  choice: Choice
  /** Somebody else with the same model, to whom it may leave in the same words; null: there is nobody. */
  again: (except: ReadonlySet<string>) => Promise<Choice | null>
  /** Whether the asker wants this lender's answer and nobody else's. */
  isNamed: boolean
  info: Pick<ModelInfo, 'name' | 'vocabSize' | 'endIds'>
  /** null: the model is not here. */
  writeHere: WriteHere | null
  onTokens: (ids: readonly number[]) => void
  onBreak?: ((broken: AnswerBreak) => void) | undefined
}

export interface AnswerByLenders {
  ids: number[]
  finish: Finish | null
  /** Why it broke off; null: it did not. */
  error: FreeholdError | null
  /** Of its last borrowed part. */
  record: AnswerRecord | null
  parts: readonly AnswerPart[]
  settled: Promise<AuditReport | null>
}

/** This device, where lenders are asked too. */
const HERE = 'here'
type Helper = Choice | typeof HERE

/** What came of asking one of them. */
interface Asked {
  /** Device key, hex; null: this device. */
  lender: string | null
  /** null: it is this device, or it was given up before it had the request. */
  result: BorrowResult | null
  part: AnswerPart | null
  ids: readonly number[]
  finish: Finish | null
  error: unknown
  /** Why the answer may go on with somebody else; null: it may not. */
  reason: AnswerBreak['reason'] | null
}

/**
 * Borrows an answer. Where its lender breaks off it goes on from the tokens received: with another lender, with one more
 * beside that one if it says nothing, in the end with this device (docs/protocol.md, When a lender breaks off).
 * @throws LendingError, CeilingError and the like when nobody was asked for it in the end
 */
export async function answerByLenders(
  question: LendersQuestion,
  {
    borrowing,
    clock,
    deadlines,
  }: { borrowing: BorrowService } & Pick<Parts, 'clock' | 'deadlines'>,
): Promise<AnswerByLenders> {
  const { choice, again, isNamed, info, writeHere, onBreak, signal, ...asked } = question
  const { promptIds, maxTokens, ceilings, onTokens } = asked
  const { endIds, vocabSize } = info
  const ids: number[] = []
  const parts: AnswerPart[] = []
  const settled: Promise<AuditReport | null>[] = []
  const failed = new Set<string>()
  let why = asked.why

  const askLender: HedgeInit<Choice, Asked>['ask'] = async (from, { beside, ...init }) => {
    const lender = toHex(from.known.lender)
    const askedMs = clock.now()
    const already = ids.length
    const left = { promptTokens: promptIds.length + already, maxTokens: maxTokens - already }
    const isFirst = beside.length === 0
    let result: BorrowResult | null = null
    let error: unknown
    try {
      result = await borrowing.borrow({
        ...asked,
        ...init,
        ...{ from, modelName: info.name, vocabSize, endIds, stopIds: [] },
        promptIds: [...promptIds, ...ids],
        maxTokens: left.maxTokens,
        why: isFirst ? why : `${why}; who was asked for it first says nothing yet`,
        ceilings: ceilingsLeft(ceilings, parts, mostOf(beside, left)),
      })
      result.settled.catch(() => {})
      error = result.borrowed.error
    } catch (cause) {
      error = cause
    }
    const isTooDear = error instanceof ClearingError && parts.length > 0 && isFirst
    const reason = isTooDear ? 'payment' : breakReason(error)
    const written = result?.ids ?? []
    if (reason !== null && !init.signal.aborted) {
      const [tokens, afterMs] = [written.length, clock.now() - askedMs]
      onBreak?.({ lender, reason, tokens, afterMs, error: error as FreeholdError })
    }
    const part = result && partOf(result, already)
    const finish = result?.borrowed.finish ?? null
    return { lender, result, part, ids: written, finish, error, reason }
  }

  const askHere = async (write: WriteHere, init: Parameters<WriteHere>[1]): Promise<Asked> => {
    const self = { lender: null, result: null, reason: null }
    try {
      const written = await write(ids, init)
      return { ...self, ...written, part: partHere(written.ids.length, ids.length), error: null }
    } catch (error) {
      return { ...self, ids: [], finish: null, part: null, error }
    }
  }

  /** One more for the same, who is no farther away; else this device. */
  async function another(those: readonly Helper[]): Promise<Helper | null> {
    const lenders = those.filter((one) => one !== HERE)
    const except = new Set([...failed, ...lenders.map(({ known }) => toHex(known.lender))])
    const other = except.size < MOST_LENDERS ? await again(except).catch(() => null) : null
    const isNear = other && lenders.every(({ known }) => byRung(other.known.rung, known.rung) <= 0)
    if (isNear) return other
    return writeHere === null || those.includes(HERE) ? null : HERE
  }

  let from: Helper | null = choice
  let last: BorrowResult | null = null
  let finish: Finish | null = null
  let error: unknown = null
  // A long prompt is no fault: only who waits once more has somebody else asked beside.
  let hedgeMs: number | null = null
  while (from !== null) {
    const { main, others } = await askHedged<Helper, Asked>(
      from,
      {
        ask: (one, { beside, ...init }) =>
          one === HERE && writeHere !== null
            ? askHere(writeHere, init)
            : askLender(one as Choice, { ...init, beside: beside.filter((each) => each !== HERE) }),
        next: another,
        hedgeMs: from === HERE ? null : hedgeMs,
        ...{ onTokens, signal },
      },
      { clock },
    )
    for (const one of [...others, main]) {
      // Words of others, if they had any, are not in the text.
      if (one.part !== null) parts.push(one === main ? one.part : { ...one.part, tokens: 0 })
      if (one.result !== null) settled.push(one.result.settled)
      if (one.reason !== null && one.lender !== null) failed.add(one.lender)
    }
    const { reason } = main
    ids.push(...main.ids)
    last = main.result ?? last
    finish = main.finish
    error = main.error
    if (reason === null || signal?.aborted) break
    // Everything was said, and only the receipt is missing.
    const said = ids.at(-1)
    const end = said === undefined ? undefined : finishOf(said, ids.length, { maxTokens, endIds })
    if (end !== undefined) {
      finish = end
      if (reason !== 'protocol') error = null
      break
    }
    if (isNamed) break
    why = `${asked.why}; goes on after ${reason}`
    const isBroken = ids.length > 0 || isFault(reason)
    if (isBroken) hedgeMs = deadlines.hedgeMs
    from = failed.size < MOST_LENDERS ? await again(failed).catch(() => null) : null
    if (signal?.aborted) break
    if (from === null && isBroken && writeHere !== null) from = HERE
  }
  if (last === null && parts.length === 0) throw error
  // The owner's ceilings and the like: what came until then is in the text.
  if (error !== null && !(error instanceof FreeholdError)) throw error
  const { record = null } = last ?? {}
  return { ids, finish, error, record, parts, settled: worstReport(settled) }
}

/** What lenders cost together at most, in token units. */
function mostOf(
  lenders: readonly Choice[],
  { promptTokens, maxTokens }: Pick<PriceQuote, 'promptTokens' | 'maxTokens'>,
): bigint {
  return lenders.reduce((sum, { known: { offer } }) => {
    const prices = offer.payment?.prices
    return prices === undefined ? sum : sum + units(rawCost(prices, promptTokens, 0, maxTokens))
  }, 0n)
}
