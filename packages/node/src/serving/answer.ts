import type { CompletionInit } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import { type ChatMessage, renderChat, type TemplateMessage } from '@freehold/core/device/text'
import type { ModelInfo } from '@freehold/core/engine/engine'
import { UsageError } from '@freehold/core/errors'
import { decideRoute, type Via } from '@freehold/core/routing/route'
import type { Scope } from '@freehold/core/wire/frames'
import type { LocalSampling } from '../engine/sample-locally.ts'
import { borrowAnswer } from './borrow-answer.ts'
import { callGrammar } from './call-grammar.ts'
import { ContextError, NoSuchModelError, UnsupportedError } from './errors.ts'
import type { GeneratedPiece, TextFormat } from './generation.ts'
import type { ManagedModel, ModelManager } from './model-manager.ts'
import type { ModelPool } from './model-pool.ts'
import { createOutputSplitter, type OutputPart } from './output-splitter.ts'
import type { ServedModel } from './served-model.ts'
import {
  CALL_CLOSE,
  callSchema,
  chosenTools,
  hasOwnTools,
  readCall,
  type ToolCall,
  type ToolChoice,
  type ToolSpec,
  templateTools,
  withoutToolRoles,
} from './tools.ts'

/** What is to be answered. */
export type Question =
  | {
      kind: 'chat'
      messages: readonly TemplateMessage[]
      tools: readonly ToolSpec[]
      choice: ToolChoice
      parallelCalls: boolean
      /** Whether the model shall think first; undefined: as its template says. */
      think?: { level: string; param: string } | undefined
    }
  | { kind: 'text'; text: string }
  | { kind: 'ids'; ids: readonly number[] }

/** Who asks, and how far that may travel. */
export interface Asker {
  client: string
  /** Name of the token that was shown, for the owner's rules. */
  key?: string | undefined
  scope: Scope
  via: Via
  /** Most that a borrowed answer may cost, token units; undefined: as the device's owner set it. */
  maxPrice?: bigint | undefined
  signal: AbortSignal
}

export interface AnswerInit {
  model: string
  question: Question
  asker: Asker
  sampling: Partial<LocalSampling>
  /** @default what the context leaves */
  maxTokens?: number | undefined
  stop?: readonly string[] | undefined
  format?: TextFormat | undefined
  topLogprobs?: number | undefined
  contextTokens?: number | undefined
  keepAliveMs?: number | undefined
  /** Names of what was asked for that the audited sampler cannot do. */
  beyondAudited?: readonly string[] | undefined
}

export type Logprobs = NonNullable<GeneratedPiece['logprobs']>

export type AnswerEvent =
  /** First, when the prompt is known and the model is in memory. */
  | { kind: 'start'; promptTokens: number }
  | { kind: 'text' | 'reasoning'; text: string; logprobs: Logprobs | null }
  | { kind: 'call'; call: ToolCall }

export interface AnswerEnd {
  finish: 'stop' | 'length' | 'calls'
  stopText: string | null
  promptTokens: number
  cachedTokens: number
  tokens: number
  loadMs: number
  promptMs: number
  generateMs: number
  /** Of a borrowed answer. */
  receipt: string | null
}

export interface ServingComponents {
  models: ModelManager
  pool: ModelPool
  device: Pick<Device, 'complete' | 'reach'>
  newId: () => string
}

/** Answers one question. @throws, before the first event, for what cannot be done */
export type AnswerService = (init: AnswerInit) => AsyncGenerator<AnswerEvent, AnswerEnd>

/** How runners draw where nobody says otherwise; `docs/api.md` states it. */
export const DEFAULT_SAMPLING: LocalSampling = {
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  penaltyTokens: 64,
  logitBias: new Map(),
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  temperature: 0.8,
}

export function createAnswerService(components: ServingComponents): AnswerService {
  const { models, pool, device } = components
  return async function* answer(init) {
    const { scope, via, key } = init.asker
    const found = await models.find(init.model)
    if (found === null && scope === 'device' && via !== 'peer') throw await noSuchModel(init.model)
    const notHere = found === null ? `${init.model} is not on this device` : null
    const asked = { scope, key, models: [init.model, found?.name ?? init.model] }
    const reach = scope === 'device' ? { scope } : await device.reach(asked)
    const { where } = decideRoute({ ...reach, via, model: init.model, notHere })
    if (where === 'here' && found !== null) return yield* answerHere(init, found)
    return yield* borrowAnswer(device, init, borrowedQuestion(init))
  }

  async function noSuchModel(name: string): Promise<NoSuchModelError> {
    const names = (await models.list()).map((model) => model.name)
    return new NoSuchModelError({
      what: `there is no model "${name}" here`,
      next: `Here are ${names.join(', ')}`,
    })
  }

  async function* answerHere(
    init: AnswerInit,
    found: ManagedModel,
  ): AsyncGenerator<AnswerEvent, AnswerEnd> {
    const { asker, question } = init
    const { signal } = asker
    await using lease = await pool.take(found, { ...init, client: asker.client, signal })
    const { served, loadMs } = lease
    const plan = planOf(served.model.info, init)
    const promptIds = await idsOf(served, plan.prompt)
    const maxTokens = roomFor(served.model.info, promptIds.length, init.maxTokens)
    const started: AnswerEvent = { kind: 'start', promptTokens: promptIds.length }
    const pieces = served.generator.generate({
      promptIds,
      maxTokens,
      sampling: { ...DEFAULT_SAMPLING, ...init.sampling },
      stop: plan.stop,
      format: plan.format,
      topLogprobs: init.topLogprobs,
      signal,
    })
    const reader = createReader(plan, question, components.newId)
    yield started
    for (;;) {
      const step = await pieces.next()
      if (!step.done) {
        yield* reader.push(step.value)
        continue
      }
      const end = step.value
      yield* reader.end(end.stopText)
      const finish = reader.hasCalled() ? 'calls' : end.finish
      // A stop text that was set to end after one call is nobody else's business.
      const stopText = end.stopText === CALL_CLOSE ? null : end.stopText
      return { ...end, finish, stopText, loadMs, receipt: null }
    }
  }
}

type Prompt = { text: string } | { ids: readonly number[] }

/** How a question is put to a model, and how its answer is read. */
interface Plan {
  prompt: Prompt
  stop: readonly string[]
  format: TextFormat | undefined
  tools: readonly ToolSpec[]
  /** The whole answer is one call. */
  isForced: boolean
  thinks: boolean
  startsThinking: boolean
}

function planOf(info: ModelInfo, { question, format, stop = [] }: AnswerInit): Plan {
  const plain = { format, stop, tools: [], isForced: false, thinks: false, startsThinking: false }
  if (question.kind === 'text') return { ...plain, prompt: { text: question.text } }
  if (question.kind === 'ids') return { ...plain, prompt: { ids: question.ids } }
  const { choice, parallelCalls, messages } = question
  const tools = chosenTools(question.tools, choice)
  const isForced = choice.kind === 'required' || choice.kind === 'named'
  if (tools.length > 0 && format !== undefined) {
    throw new UnsupportedError('tools', {
      what: 'tools cannot be had together with a format of the answer',
      next: 'Ask for one of them',
    })
  }
  requireTemplate(info, messages)
  const isFixed = isForced || format !== undefined
  const prompt = promptText(info, question, tools, isFixed)
  const startsThinking = !isFixed && /<think>\s*$/.test(prompt)
  return {
    prompt: { text: prompt },
    stop: tools.length > 0 && !isForced && !parallelCalls ? [...stop, CALL_CLOSE] : stop,
    format: isForced
      ? { kind: 'schema', schema: callSchema(tools) }
      : (format ?? callFormat(info, tools)),
    tools,
    isForced,
    thinks: !isFixed && info.chatTemplate.includes('</think>'),
    startsThinking,
  }
}

/** How calls are held to what the tools say, where the model may write what it wants. */
function callFormat(info: ModelInfo, tools: readonly ToolSpec[]): TextFormat | undefined {
  if (tools.length === 0) return undefined
  const isStrict = tools.some((tool) => tool.isStrict)
  // Who knows tools writes calls by itself, and without a grammar faster.
  if (!isStrict && hasOwnTools(info.chatTemplate)) return undefined
  try {
    return { kind: 'grammar', text: callGrammar(tools) }
  } catch (error) {
    if (isStrict || !(error instanceof UsageError)) throw error
    return undefined
  }
}

function requireTemplate(info: ModelInfo, messages: readonly TemplateMessage[]): void {
  if (messages.length === 0) throw new UsageError({ what: 'there are no messages' })
  if (info.chatTemplate !== '' || messages.length === 1) return
  throw new UsageError({
    what: `${info.name} has no chat template, so it can take no conversation`,
    next: 'Send one message, or a plain text to be continued',
  })
}

function promptText(
  info: ModelInfo,
  { messages, think }: Question & { kind: 'chat' },
  tools: readonly ToolSpec[],
  isFixed: boolean,
): string {
  const { chatTemplate } = info
  const more: Record<string, unknown> = isFixed ? { enable_thinking: false } : {}
  if (think !== undefined) Object.assign(more, thinkVariables(info, think))
  const isOwn = hasOwnTools(chatTemplate)
  if (isOwn && tools.length > 0) more.tools = templateTools(tools)
  const said = isOwn ? messages : withoutToolRoles(messages, tools)
  if (chatTemplate === '') return said.map(({ content }) => content).join('\n\n')
  return renderChat(info, said, more)
}

/** @throws UnsupportedError when the model is asked to think and cannot */
function thinkVariables(
  { chatTemplate, name }: ModelInfo,
  { level, param }: { level: string; param: string },
): Record<string, unknown> {
  const isOn = level !== 'none'
  const canThink = /think|reasoning_effort/.test(chatTemplate)
  if (isOn && !canThink) {
    throw new UnsupportedError(param, { what: `${name} cannot think before it answers` })
  }
  return { enable_thinking: isOn, ...(isOn ? { reasoning_effort: level } : {}) }
}

async function idsOf({ model }: ServedModel, prompt: Prompt): Promise<readonly number[]> {
  if ('text' in prompt) return model.tokenize(prompt.text, { special: true })
  const wrong = prompt.ids.find((id) => id >= model.info.vocabSize)
  if (wrong === undefined) return prompt.ids
  throw new UsageError({ what: `${model.info.name} has no token ${wrong}` })
}

/** Tokens that the answer may have: what was asked for, or what the context leaves. */
function roomFor(info: ModelInfo, promptTokens: number, asked = Infinity): number {
  if (promptTokens === 0) throw new UsageError({ what: 'the prompt is empty' })
  const left = info.contextTokens - promptTokens
  if (left < 1) {
    throw new ContextError({
      what: `the prompt has ${promptTokens} tokens, and the context of ${info.name} is ${info.contextTokens}`,
      next: 'Shorten the conversation: nothing is ever cut off silently',
    })
  }
  return Math.min(asked, left)
}

/** Reads what a model writes: text, thoughts and calls. */
function createReader(plan: Plan, question: Question, newId: () => string) {
  const splitter = createOutputSplitter({ ...plan, callsTools: plan.tools.length > 0 })
  const known = question.kind === 'chat' ? plan.tools : []
  let called = 0
  let forced = ''
  let logprobs: Logprobs[number][] | null = null

  function* show(parts: readonly OutputPart[]): Generator<AnswerEvent> {
    for (const { kind, text } of parts) {
      const call = kind === 'call' ? readCall(text, known, `call_${newId()}`) : null
      if (call !== null) {
        called++
        yield { kind: 'call', call }
        continue
      }
      // A call that cannot be read is shown, not lost.
      yield { kind: kind === 'reasoning' ? kind : 'text', text, logprobs }
      logprobs = null
    }
  }

  return {
    hasCalled: () => called > 0,
    *push(piece: GeneratedPiece): Generator<AnswerEvent> {
      if (piece.logprobs !== null) logprobs = [...(logprobs ?? []), ...piece.logprobs]
      if (plan.isForced) forced += piece.text
      else yield* show(splitter.push(piece.text))
    },
    *end(stopText: string | null): Generator<AnswerEvent> {
      if (plan.isForced) yield* show([{ kind: 'call', text: forced }])
      if (stopText === CALL_CLOSE) yield* show(splitter.push(CALL_CLOSE))
      yield* show(splitter.end())
      if (logprobs !== null) yield { kind: 'text', text: '', logprobs }
    },
  }
}

/** The question as a peer can be asked it. @throws UnsupportedError naming what it cannot be asked */
function borrowedQuestion(init: AnswerInit): Pick<CompletionInit, 'messages'> {
  const { question, beyondAudited = [] } = init
  const [first] = beyondAudited
  const why = 'the answer is borrowed, and its audited sampler knows temperature and length alone'
  if (first !== undefined) {
    const what = `${beyondAudited.join(', ')} cannot be had`
    throw new UnsupportedError(first, { what, why, next: 'Leave it out, or answer here' })
  }
  if (question.kind !== 'chat') {
    throw new UnsupportedError('prompt', {
      what: 'a plain prompt cannot be borrowed an answer for',
      next: 'Ask as a chat',
    })
  }
  const messages = question.messages.map(({ role, content }): ChatMessage => {
    if (role === 'system' || role === 'user' || role === 'assistant') return { role, content }
    throw new UnsupportedError('messages', { what: `a message of role ${role} cannot be had`, why })
  })
  return { messages }
}
