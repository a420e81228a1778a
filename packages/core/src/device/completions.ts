import { toHex } from '../bytes.ts'
import { type Ceilings, type PriceQuote, UNLIMITED, withinCeilings } from '../clearing/budget.ts'
import { rawCost, units } from '../clearing/meter.ts'
import type { Model } from '../engine/engine.ts'
import { finishOf, generate } from '../engine/generate.ts'
import { CeilingError, ClearingError, FreeholdError, UsageError } from '../errors.ts'
import type { Kind } from '../routing/detect/finding.ts'
import type { Passage, Reach } from '../routing/policy.ts'
import { createRestorer, type Restorer, redact } from '../routing/redact.ts'
import { byRung, decideRoute, type Route, type Via } from '../routing/route.ts'
import type { Rule } from '../routing/rules.ts'
import type { Finish, Scope } from '../wire/frames.ts'
import { manifestHash } from '../wire/manifest.ts'
import {
  type AnswerBreak,
  type AnswerPart,
  type Asked,
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
import type { HeaderProgress, HeaderService } from './headers.ts'
import type { Choice, LenderQuestion, LenderService } from './lenders.ts'
import type { ShelvedModel } from './model-shelf.ts'
import type { Parts } from './parts.ts'
import type { AnswerRecord } from './records.ts'
import { templateHash } from './template-hash.ts'
import { type ChatMessage, createTextStream, promptIdsOf } from './text.ts'

export interface CompletionInit {
  /** Name of the model; of one that is not here, its id in hex or the name that lenders offer. */
  model: string
  messages: readonly ChatMessage[]
  /** How far the request may travel. @default 'device' */
  scope?: Scope | undefined
  /** @default 'auto' */
  via?: Via | undefined
  /** 0 to 2. @default 0.8 */
  temperature?: number | undefined
  /** @default 512, or what the context leaves */
  maxTokens?: number | undefined
  /** Makes a local answer repeatable; a borrowed answer's seed is never one side's choice. */
  seed?: Uint8Array | undefined
  /** Most that a borrowed answer may cost, token units; the device's own ceiling holds besides. */
  maxPrice?: bigint | undefined
  /**
   * Asks the owner for ceilings where none were ever set and this request has none: once in the life
   * of the device, before anything leaves.
   */
  agree?: ((quote: PriceQuote) => Promise<Ceilings>) | undefined
  /** Only this lender, by its device key in hex. */
  lender?: string | undefined
  /** Name of the token that the request came with, for the owner's rules. */
  key?: string | undefined
  /** Kinds of what may travel as it is in this request, where no rule of the owner's forbids it. */
  send?: readonly Kind[] | undefined
  signal?: AbortSignal | undefined
  /** Called while the header of a model that is not here is fetched. */
  onHeader?: ((progress: HeaderProgress) => void) | undefined
  /** Called when a channel was opened for it, within the owner's limits. */
  onOpening?: BorrowQuestion['onOpening']
  /** Called when a lender has broken off, before the answer goes on elsewhere. */
  onBreak?: ((broken: AnswerBreak) => void) | undefined
  /** Called with text as it becomes certain. */
  onText?: ((text: string) => void) | undefined
}

export interface Completion {
  text: string
  ids: number[]
  route: Route
  model: Model['info']
  promptTokens: number
  finish: Finish | null
  firstTokenMs: number | null
  totalMs: number
  /** Why a borrowed answer broke off; what came until then is in `text`. */
  error: FreeholdError | null
  /** The receipt of a borrowed answer, of its last borrowed part; null for one of this device's own. */
  record: AnswerRecord | null
  /** Who wrote what of it, in order. */
  parts: readonly AnswerPart[]
  /** How many places of which kind were replaced before a borrowed answer's prompt left. */
  redacted: Readonly<Record<string, number>>
  /** Audit and payment of a borrowed answer, which go on after it. */
  settled: Promise<AuditReport | null>
}

type Ending = 'finish' | 'error' | 'record' | 'parts' | 'settled'

/** Whom to ask, and how the request may leave for there. */
interface Allowed {
  choice: Choice
  passage: Passage
}

interface Prepared {
  route: Route
  /** null: only its header is here. */
  here: ShelvedModel | null
  /** null: it is answered here. */
  choice: Choice | null
  model: Model
  /** How the request leaves; null: it does not. */
  passage: Passage | null
  /** Somebody else with the same model, to whom it may leave in the same words; null: there is nobody. */
  again: (except: ReadonlySet<string>) => Promise<Choice | null>
}

const nobody = async () => null

/** This device, where lenders are asked too. */
const HERE = 'here'

export const DEFAULT_TEMPERATURE = 0.8
const DEFAULT_MAX_TOKENS = 512
const MAX_TEMPERATURE = 2

export function createCompletions(
  parts: Parts,
  {
    lenders,
    borrowing,
    headers,
    rules,
  }: {
    lenders: LenderService
    borrowing: BorrowService
    headers: HeaderService
    rules: readonly Rule[]
  },
): (init: CompletionInit) => Promise<Completion> {
  const { shelf, clock, random, allowed, deadlines } = parts

  /** What a borrowed answer may cost. @throws CeilingError when nobody ever said */
  async function ceilingsFor(
    { maxPrice, agree }: CompletionInit,
    { known: { offer } }: Choice,
    { promptTokens, maxTokens }: Pick<PriceQuote, 'promptTokens' | 'maxTokens'>,
  ): Promise<Ceilings> {
    const prices = offer.payment?.prices
    if (allowed.ceilings === null && maxPrice === undefined && prices !== undefined) {
      const atMost = units(rawCost(prices, promptTokens, 0, maxTokens))
      if (agree === undefined) throw unsaid(atMost)
      allowed.ceilings = await agree({ prices, promptTokens, maxTokens, atMost })
    }
    return withinCeilings(allowed.ceilings ?? UNLIMITED, maxPrice)
  }

  /**
   * The model of a lender by its header: enough to tokenise for it and to read its answer. Whose
   * header does not hold is passed over, so that a cheap liar stands in nobody's way.
   */
  async function words(
    question: LenderQuestion,
    choose: (question: LenderQuestion) => Promise<Allowed>,
    onProgress: CompletionInit['onHeader'],
  ): Promise<Allowed & { model: Model }> {
    const { signal } = question
    const except = new Set<string>()
    let allowed = await choose(question)
    for (;;) {
      const { offered, sources } = allowed.choice
      const { scope } = allowed.passage
      try {
        const model = await headers.take(offered, sources, { scope, signal, onProgress })
        return { ...allowed, model }
      } catch (error) {
        signal?.throwIfAborted()
        for (const { lender } of sources) except.add(toHex(lender))
        // The same model, whatever else is called so.
        const again = { ...question, model: toHex(offered.modelId), except }
        const next = await choose(again).catch(() => null)
        if (next === null) throw error
        allowed = next
      }
    }
  }

  /** Where the answer comes from, and the model to ask in, whole or by its header. */
  async function prepare(init: CompletionInit): Promise<Prepared> {
    const { scope = 'device', via = 'auto', signal, lender, key, send } = init
    if (scope === 'device') {
      const here = await shelf.take(init.model, { signal })
      const { name } = here.model.info
      const route = decideRoute({ scope, via, model: name, notHere: null })
      return { route, here, choice: null, model: here.model, passage: null, again: nobody }
    }
    const { passageOf, reachOf } = await import('../routing/policy.ts')
    const here = await shelf.find(init.model, { signal })
    const { name, modelId } = here?.model.info ?? { name: init.model, modelId: init.model }
    const notHere = here === null ? `${name} is not on this device` : null
    const request = { scope, key, models: [init.model, name, modelId] }
    const decide = (reach: Reach) => decideRoute({ ...reach, via, model: name, notHere })
    if (decide(reachOf(rules, request)).where === 'here' && here !== null) {
      const route = decide(reachOf(rules, request))
      return { route, here, choice: null, model: here.model, passage: null, again: nobody }
    }

    // Before anybody is asked: what may not leave shall not cost a lender's time.
    const texts = init.messages.map(({ content }) => content)
    const look = () => passageOf(rules, request, texts, send)
    let passage = look()
    /** Who may be asked, as rules about the model have it that goes by other names elsewhere. */
    const choose = async (question: LenderQuestion): Promise<Allowed> => {
      for (;;) {
        decide(passage)
        const within = { ...question, scope: passage.scope as LenderQuestion['scope'] }
        const choice = await lenders.choose(within)
        const { offered } = choice
        request.models.push(offered.name, toHex(offered.modelId))
        const before = passage.scope
        passage = look()
        if (passage.scope === before) return { choice, passage }
      }
    }
    const route = decide(passage)
    const question = {
      ...{
        model: modelId,
        name,
        lender,
        signal,
        ceilings: withinCeilings(allowed.ceilings ?? UNLIMITED, init.maxPrice),
      },
      promptTokens: roughTokens(texts),
      maxTokens: init.maxTokens ?? DEFAULT_MAX_TOKENS,
      scope: passage.scope as LenderQuestion['scope'],
    }
    const found =
      here === null
        ? await words(question, choose, init.onHeader)
        : { ...(await choose(question)), model: here.model }
    const again = async (except: ReadonlySet<string>): Promise<Choice | null> => {
      const { offered } = found.choice
      const next = await choose({ ...question, model: toHex(offered.modelId), except })
      return isSamePassage(next.passage, found.passage) ? next.choice : null
    }
    return { route, here, ...found, again }
  }

  return async (init) => {
    const { temperature = DEFAULT_TEMPERATURE } = init
    if (!(temperature >= 0 && temperature <= MAX_TEMPERATURE)) {
      throw new UsageError({ what: `temperature ${temperature} is not within 0 to 2` })
    }
    const { signal } = init
    const { route: by, here, choice, model, passage, again } = await prepare(init)
    const { info } = model
    const { messages, placeholders, counts } = redactMessages(init.messages, passage)
    const promptIds = await promptIdsOf(model, messages)
    const contextTokens = Math.min(info.contextTokens, choice?.offered.contextTokens ?? Infinity)
    const left = contextTokens - promptIds.length
    if (left < 1 || (init.maxTokens ?? 1) > left) {
      throw new UsageError({
        what: 'prompt and answer do not fit into the context',
        why: `${promptIds.length} tokens of prompt and ${init.maxTokens ?? 1} of answer, of ${contextTokens}`,
        next: 'Shorten the prompt or ask for fewer tokens',
      })
    }
    const maxTokens = init.maxTokens ?? Math.min(DEFAULT_MAX_TOKENS, left)
    const text = createTextOutput(model, createRestorer(placeholders), init.onText)
    const startedMs = clock.now()
    const route = {
      ...by,
      why: [by.why, ...(choice ? [choice.why] : []), ...(passage?.because ?? [])].join('; '),
    }
    const base = { route, model: info, promptTokens: promptIds.length, redacted: counts }
    const { endIds } = info
    const ids: number[] = []
    let firstTokenMs: number | null = null
    const take = (more: readonly number[]) => {
      firstTokenMs ??= clock.now() - startedMs
      text.push(more)
    }
    /** What is left of the answer, by this device. */
    const writeHere = async ({
      seed,
      signal,
      onTokens,
    }: {
      seed: Uint8Array
      signal: AbortSignal | undefined
      onTokens: (ids: readonly number[]) => void
    }): Promise<Pick<Asked, 'ids' | 'finish'>> => {
      await using sequence = await model.openSequence({ signal })
      const prompt = [...promptIds, ...ids]
      const limits = { maxTokens: maxTokens - ids.length, endIds, signal }
      const written: number[] = []
      let finish: Finish | null = null
      for await (const token of generate(sequence, {
        ...limits,
        ...{ promptIds: prompt, seed, temperature },
      })) {
        written.push(token.id)
        onTokens([token.id])
        finish = token.finish ?? null
      }
      return { ids: written, finish }
    }
    const conclude = async (rest: Pick<Completion, Ending>): Promise<Completion> => {
      const totalMs = clock.now() - startedMs
      return { ...base, ...rest, text: await text.end(), ids, firstTokenMs, totalMs }
    }

    if (choice === null || passage === null) {
      const seed = init.seed ?? random(32)
      const { ids: written, finish } = await writeHere({ seed, signal, onTokens: take })
      ids.push(...written)
      const none = { error: null, record: null, settled: Promise.resolve(null) }
      return conclude({ ...none, finish, parts: [partHere(ids.length, 0)] })
    }

    const parts: AnswerPart[] = []
    const settled: Promise<AuditReport | null>[] = []
    const failed = new Set<string>()
    const asked = { promptTokens: promptIds.length, maxTokens }
    const ceiling = await ceilingsFor(init, choice, asked)
    let last: BorrowResult | null = null
    let finish: Finish | null = null
    let error: unknown = null
    let from: Choice | typeof HERE | null = choice
    let why = route.why
    /** One lender for what is left of the answer. */
    const askLender: HedgeInit<Choice, Asked>['ask'] = async (
      one,
      { signal, onTokens, beside },
    ) => {
      const lender = toHex(one.known.lender)
      const askedMs = clock.now()
      const before = ids.length
      const limits = { promptTokens: promptIds.length + before, maxTokens: maxTokens - before }
      const isFirst = beside.length === 0
      let result: BorrowResult | null = null
      let error: unknown
      try {
        result = await borrowing.borrow({
          from: one,
          modelName: info.name,
          vocabSize: info.vocabSize,
          endIds,
          templateHash: templateHash(info.chatTemplate),
          manifestHash:
            here === null ? choice.offered.manifestHash : manifestHash(here.file.manifest),
          promptIds: [...promptIds, ...ids],
          temperature,
          maxTokens: limits.maxTokens,
          stopIds: [],
          scope: passage.scope as Exclude<Scope, 'device'>,
          why: isFirst ? why : `${why}; who was asked for it first says nothing yet`,
          redacted: counts,
          ceilings: ceilingsLeft(ceiling, parts, mostOf(beside, limits)),
          signal,
          onTokens,
          onOpening: init.onOpening,
        })
        result.settled.catch(() => {})
        error = result.borrowed.error
      } catch (cause) {
        error = cause
      }
      const isTooDear = error instanceof ClearingError && parts.length > 0 && isFirst
      const reason = isTooDear ? 'payment' : breakReason(error)
      const written = result?.ids ?? []
      if (reason !== null && !signal.aborted) {
        const afterMs = clock.now() - askedMs
        const tokens = written.length
        init.onBreak?.({ lender, reason, tokens, afterMs, error: error as FreeholdError })
      }
      const part = result && partOf(result, before)
      const finish = result?.borrowed.finish ?? null
      return { lender, result, part, ids: written, finish, error, reason }
    }
    const askHere: HedgeInit<typeof HERE, Asked>['ask'] = async (_, { signal, onTokens }) => {
      const self = { lender: null, result: null, reason: null }
      try {
        const written = await writeHere({ seed: random(32), signal, onTokens })
        const part = partHere(written.ids.length, ids.length)
        return { ...self, ...written, part, error: null }
      } catch (error) {
        return { ...self, ids: [], finish: null, part: null, error }
      }
    }
    /** One more for the same, who is no farther away; else this device. */
    const another = async (those: readonly (Choice | typeof HERE)[]) => {
      const lenders = those.filter((one) => one !== HERE)
      const except = new Set([...failed, ...lenders.map(({ known }) => toHex(known.lender))])
      const other = except.size < MOST_LENDERS ? await again(except).catch(() => null) : null
      const isNear =
        other && lenders.every(({ known }) => byRung(other.known.rung, known.rung) <= 0)
      if (isNear) return other
      return here === null || those.includes(HERE) ? null : HERE
    }
    while (from !== null) {
      const { main, others } = await askHedged<Choice | typeof HERE, Asked>(
        from,
        {
          ask: (one, { beside, ...rest }) =>
            one === HERE
              ? askHere(one, { ...rest, beside: [] })
              : askLender(one, { ...rest, beside: beside.filter((each) => each !== HERE) }),
          next: another,
          // A long prompt is no fault: only who waits for the second time has somebody else asked.
          hedgeMs: failed.size === 0 || from === HERE ? null : deadlines.hedgeMs,
          onTokens: take,
          signal,
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
      last = main.result ?? last
      ids.push(...main.ids)
      finish = main.finish ?? finish
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
      if (init.lender !== undefined) break
      why = `${route.why}; goes on after ${reason}`
      from = failed.size < MOST_LENDERS ? await again(failed).catch(() => null) : null
      if (signal?.aborted) break
      if (from === null && here !== null && (ids.length > 0 || isFault(reason))) from = HERE
    }
    if (last === null && parts.length === 0) throw error
    // The owner's ceilings and the like: what came until then is in the text.
    if (error !== null && !(error instanceof FreeholdError)) throw error
    const { record = null } = last ?? {}
    return conclude({ finish, error, record, parts, settled: worstReport(settled) })
  }
}

/** What lenders cost together at most. */
function mostOf(
  lenders: readonly Choice[],
  { promptTokens, maxTokens }: Pick<PriceQuote, 'promptTokens' | 'maxTokens'>,
): bigint {
  return lenders.reduce((sum, { known: { offer } }) => {
    const prices = offer.payment?.prices
    return prices === undefined ? sum : sum + units(rawCost(prices, promptTokens, 0, maxTokens))
  }, 0n)
}

/** Whether what left on one may leave on the other as it is. */
function isSamePassage(one: Passage, other: Passage): boolean {
  return one.scope === other.scope && JSON.stringify(one.redact) === JSON.stringify(other.redact)
}

/** About how many tokens texts are, before there is a tokeniser: to compare offers by, not to pay by. */
function roughTokens(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + 8 + Math.ceil(text.length / 4), 0)
}

/** The messages as they leave: with placeholders where something may not. */
function redactMessages(messages: readonly ChatMessage[], passage: Passage | null) {
  const texts = messages.map(({ content }) => content)
  const { texts: redacted, placeholders, counts } = redact(texts, passage?.redact ?? [])
  const replaced = messages.map((message, i) => ({ ...message, content: redacted[i] as string }))
  return { messages: replaced, placeholders, counts }
}

function unsaid(atMost: bigint): CeilingError {
  return new CeilingError({
    what: 'nobody has said what a borrowed answer may cost',
    why: `this one may cost ${atMost} token units`,
    next:
      'Set it once: freehold wallet limits --per-request UNITS --per-day UNITS. ' +
      'Or for one: freehold run --max-price UNITS, x-freehold-max-price over HTTP',
  })
}

/** Text in order although detokenising is asynchronous; generation does not wait for it. */
function createTextOutput(
  model: Model,
  restorer: Restorer,
  onText: ((text: string) => void) | undefined,
) {
  const stream = createTextStream(model)
  let whole = ''
  let last: Promise<void> = Promise.resolve()
  const show = (text: string) => {
    whole += text
    if (text !== '') onText?.(text)
  }
  return {
    push: (ids: readonly number[]) => {
      last = last.then(async () => show(restorer.push(await stream.push(ids))))
      last.catch(() => {})
    },
    end: async () => {
      await last
      show(restorer.push(await stream.end()) + restorer.end())
      return whole
    },
  }
}
