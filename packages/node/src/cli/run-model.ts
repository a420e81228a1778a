import { text as readAll } from 'node:stream/consumers'
import type { ChatMessage } from '@freehold/core/device/text'
import { ModelError, UsageError } from '@freehold/core/errors'
import type { Energy } from '@freehold/core/lending/energy'
import type { Kind } from '@freehold/core/routing/detect/finding'
import type { Via } from '@freehold/core/routing/route'
import type { Scope } from '@freehold/core/wire/frames'
import { pathsOf, readEnvironment, readSettings } from '../config.ts'
import { DEFAULT_MODEL } from '../models/acorn.ts'
import { isModelName } from '../models/model-source.ts'
import { tryModelName } from '../models/name.ts'
import { type Answerer, type Asked, openAnswerer } from './answerer.ts'
import type { Answered } from './ask-resident.ts'
import { createChatHistory } from './chat-history.ts'
import type { ChatSettings } from './chat-settings.ts'
import { openCliLibrary, requireModel } from './cli-library.ts'
import { cliPaths, type GlobalOptions, interruptSignal } from './context.ts'
import { energyText } from './energy-text.ts'
import { imageIn, NO_VISION } from './images.ts'
import { printJson, redactedText, safe, say } from './output.ts'
import { runRepl } from './repl.ts'

export interface RunOptions extends GlobalOptions {
  scope: Scope
  via: Via
  temperature: number
  maxTokens?: number | undefined
  seed?: string | undefined
  system?: string | undefined
  /** Kinds of what may travel as it is. */
  send: readonly Kind[]
  maxPrice?: bigint | undefined
  /** Whether to borrow for money without a ceiling. */
  yes?: boolean
  peer: string[]
  verbose?: boolean
  /** Whether another process of this device may answer. */
  resident: boolean
}

/** Answers one question, or chats. */
export async function runModel(
  first: string | undefined,
  rest: string[],
  options: RunOptions,
): Promise<void> {
  if (options.peer.length > 0 && options.scope === 'device') {
    throw new UsageError({
      what: '--peer names a lender, and this request may not leave the device',
      next: 'Add --scope own, friends or market',
    })
  }
  const signal = interruptSignal()
  const mayChat = rest.length === 0 && process.stdin.isTTY && !options.json
  await using answerer = await openAnswerer(options, { signal, mayChat })
  // `run "a question"` means the default model.
  const named = first !== undefined && (await isModel(first, answerer, options)) ? first : null
  if (named === null && first !== undefined && looksLikeModel(first)) {
    await requireModel(openCliLibrary(options), first).catch(sayHowToAsk)
  }
  const words = named !== null || first === undefined ? rest : [first, ...rest]
  const model = named ?? (await defaultModel(options, signal))
  const isChat = words.length === 0 && mayChat
  // Awaited: else what answers would be closed under it.
  if (isChat) return await chat(answerer, model, options)
  const prompt = words.length > 0 ? words.join(' ') : (await readAll(process.stdin)).trim()
  if (prompt === '')
    throw new UsageError({ what: 'there is no question', next: 'freehold run "…"' })
  const image = words.length > 0 ? imageIn(prompt) : null
  if (image !== null) throw new UsageError({ what: `${image} cannot be looked at`, why: NO_VISION })
  const messages = [...system(options), { role: 'user' as const, content: prompt }]
  const { temperature, maxTokens, seed } = options
  const endEnergy = options.verbose ? await meterEnergy() : async () => null
  const answered = await answerer.answer({
    ...{ model, messages, temperature, maxTokens, seed, signal },
    onText: options.json ? undefined : showText,
    agree: asker(options),
  })
  const energy = answered.route.where === 'here' ? await endEnergy() : null
  const report = await answered.settled
  if (options.json) {
    printJson({ ...summary(answered, report), ...(options.verbose && { energy }) })
  } else {
    process.stdout.write('\n')
    conclude(answered, options)
    if (energy !== null) say(`It took${energyText(energy).slice(1)}.`)
  }
  await answerer.tend()
  if (report?.pooled === 'fail') say('The audit of this answer failed: do not trust it.')
  if (answered.error) throw answered.error
}

/** What the whole machine takes while it answers, where it tells. */
async function meterEnergy(): Promise<() => Promise<Energy | null>> {
  const [{ createEnergyMeter }, { findEnergyCounter }] = await Promise.all([
    import('@freehold/core/lending/energy'),
    import('../power/energy-counter.ts'),
  ])
  return createEnergyMeter(await findEnergyCounter()).begin()
}

/** What answers where no model is named: that of the settings, else the bundled one. @throws ModelError */
async function defaultModel(options: RunOptions, signal: AbortSignal): Promise<string> {
  const { config } = cliPaths(options)
  const { model } = await readSettings(config)
  if (model === undefined) return (await offered(options, signal)) ?? DEFAULT_MODEL
  if (options.scope === 'device' && (await openCliLibrary(options).find(model)) === null) {
    throw new ModelError({
      what: `the default model ${model} is not here`,
      why: `"model" in ${config} names it`,
      next: `freehold pull fetches models; freehold run ${DEFAULT_MODEL} asks the one that is always here`,
    })
  }
  return model
}

/** A model that a person in a terminal chose in their first run. */
async function offered(options: RunOptions, signal: AbortSignal): Promise<string | null> {
  if (!isTerminal() || options.json || options.scope !== 'device') return null
  const { offerOnce } = await import('./first-run.ts')
  return offerOnce(cliPaths(options), options, signal)
}

/** In a terminal a person is asked what borrowed answers may cost; a chat's line is its own. */
function asker(options: RunOptions): Asked['agree'] {
  if (!isTerminal() || options.json) return undefined
  return async (quote) => {
    const { askCeilings } = await import('./ask-ceilings.ts')
    return askCeilings(quote, cliPaths(options).config)
  }
}

function isTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY && process.stderr.isTTY
}

/** Whether a word is the name of a model, rather than a prompt. */
async function isModel(text: string, answerer: Answerer, options: RunOptions): Promise<boolean> {
  // A path is no question, whatever is there.
  if (isModelName(text) || /^(\.{0,2}|~)\/\S*$/.test(text)) return true
  const isHere = tryModelName(text) && (await openCliLibrary(options).find(text)) !== null
  return isHere || (await answerer.isOffered(text))
}

/** Whether a word is hardly a question: `llama3.2`, `qwen3:8b` or `user/repo` that is not here. */
function looksLikeModel(text: string): boolean {
  return tryModelName(text) !== null && /[:/]|[a-z].*\d/i.test(text)
}

/** Another model must not answer in the place of one whose name was mistyped. */
function sayHowToAsk(error: unknown): never {
  if (!(error instanceof ModelError)) throw error
  const { what, next = '' } = error
  throw new ModelError({
    what,
    next: `${next}. To ask it as a question: freehold run ${DEFAULT_MODEL} "…"`,
  })
}

function system({ system }: RunOptions): ChatMessage[] {
  return system === undefined ? [] : [{ role: 'system', content: system }]
}

function showText(text: string): void {
  process.stdout.write(safe(text))
}

function conclude(
  { route, record, redacted }: Answered,
  { verbose }: Pick<RunOptions, 'verbose'>,
): void {
  const replaced = redactedText(redacted)
  if (replaced !== '') say(`Replaced before it left, and put back: ${replaced}.`)
  const from = route.where === 'here' ? 'this device' : `a peer, receipt ${record?.id}`
  if (verbose || record) say(`Answered by ${from} (${route.why}).`)
}

function summary(answered: Answered, report: Awaited<Answered['settled']>) {
  const { text, tokens, totalMs, firstTokenMs, finish, route, model, record, promptTokens } =
    answered
  return {
    text,
    model: model.name,
    modelId: model.modelId,
    where: route.where,
    why: route.why,
    promptTokens,
    tokens,
    finish,
    firstTokenMs,
    totalMs,
    tokensPerSecond: totalMs > 0 ? (1_000 * tokens) / totalMs : null,
    redacted: answered.redacted,
    receipt: record?.id ?? null,
    verdict: report?.pooled ?? null,
    error: answered.error?.message ?? null,
  }
}

async function chat(answerer: Answerer, model: string, options: RunOptions): Promise<void> {
  const environment = readEnvironment()
  const { temperature, maxTokens, seed } = options
  const settings: ChatSettings = {
    model,
    system: options.system ?? null,
    temperature,
    maxTokens,
    seed,
    isVerbose: options.verbose ?? false,
  }
  answerer.warm()
  await runRepl({
    settings,
    input: process.stdin,
    output: process.stderr,
    history: environment.hasHistory ? createChatHistory(pathsOf(environment).history) : undefined,
    answer: async (messages, now, signal) => {
      const answered = await answerer.answer({ ...now, messages, signal, onText: showText })
      process.stdout.write('\n')
      conclude(answered, { verbose: now.isVerbose })
      if (answered.error && !signal.aborted) say(answered.error.message)
      return answered.text === '' ? null : answered.text
    },
    describe: (name) => answerer.describe(name),
  })
}
