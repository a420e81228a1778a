import { toHex } from '../bytes.ts'
import { type Ceilings, type PriceQuote, UNLIMITED, withinCeilings } from '../clearing/budget.ts'
import { rawCost, units } from '../clearing/meter.ts'
import type { Model } from '../engine/engine.ts'
import { generate } from '../engine/generate.ts'
import { CeilingError, type FreeholdError, UsageError } from '../errors.ts'
import type { Kind } from '../routing/detect/finding.ts'
import type { Passage, Reach } from '../routing/policy.ts'
import { createRestorer, type Restorer, redact } from '../routing/redact.ts'
import { decideRoute, type Route, type Via } from '../routing/route.ts'
import type { Rule } from '../routing/rules.ts'
import type { Finish, Scope } from '../wire/frames.ts'
import { manifestHash } from '../wire/manifest.ts'
import { type AnswerByLenders, answerByLenders, type WriteHere } from './answer-by-lenders.ts'
import { type AnswerBreak, type AnswerPart, partHere } from './answer-parts.ts'
import type { AuditReport } from './audits.ts'
import type { BorrowQuestion, BorrowService } from './borrowing.ts'
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
    let firstTokenMs: number | null = null
    const take = (more: readonly number[]) => {
      firstTokenMs ??= clock.now() - startedMs
      text.push(more)
    }
    /** What is left of the answer, by this device. */
    const writeHere: WriteHere = async (already, { seed = random(32), signal, onTokens }) => {
      await using sequence = await model.openSequence({ signal })
      const ids: number[] = []
      let finish: Finish | null = null
      for await (const token of generate(sequence, {
        ...{ promptIds: [...promptIds, ...already], maxTokens: maxTokens - already.length },
        ...{ endIds: info.endIds, seed, temperature, signal },
      })) {
        ids.push(token.id)
        onTokens([token.id])
        finish = token.finish ?? null
      }
      return { ids, finish }
    }
    const conclude = async (rest: AnswerByLenders): Promise<Completion> => {
      const totalMs = clock.now() - startedMs
      return { ...base, ...rest, text: await text.end(), firstTokenMs, totalMs }
    }

    if (choice === null || passage === null) {
      const written = await writeHere([], { seed: init.seed, signal, onTokens: take })
      const none = { error: null, record: null, settled: Promise.resolve(null) }
      return conclude({ ...written, ...none, parts: [partHere(written.ids.length, 0)] })
    }

    const question = {
      ...{ choice, again, why: route.why, scope: passage.scope as Exclude<Scope, 'device'> },
      ...{ isNamed: init.lender !== undefined, info, redacted: counts, signal },
      manifestHash: here === null ? choice.offered.manifestHash : manifestHash(here.file.manifest),
      templateHash: templateHash(info.chatTemplate),
      ...{ promptIds, maxTokens, temperature },
      ceilings: await ceilingsFor(init, choice, { promptTokens: promptIds.length, maxTokens }),
      writeHere: here && writeHere,
      onTokens: take,
      onOpening: init.onOpening,
      onBreak: init.onBreak,
    }
    return conclude(await answerByLenders(question, { borrowing, clock, deadlines }))
  }
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
