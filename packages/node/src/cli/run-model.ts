import { createHash } from 'node:crypto'
import { text as readAll } from 'node:stream/consumers'
import { fromHex, utf8 } from '@freehold/core/bytes'
import type { Completion } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { HeaderProgress } from '@freehold/core/device/headers'
import type { ChatMessage } from '@freehold/core/device/text'
import { UsageError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import type { Via } from '@freehold/core/routing/route'
import type { Scope } from '@freehold/core/wire/frames'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { pathsOf, readEnvironment } from '../config.ts'
import { isModelName } from '../models/model-source.ts'
import { tryModelName } from '../models/name.ts'
import { createChatHistory } from './chat-history.ts'
import type { ChatSettings } from './chat-settings.ts'
import { openCliLibrary } from './cli-library.ts'
import { type GlobalOptions, interruptSignal, openCliDevice } from './context.ts'
import { printJson, safe, say } from './output.ts'
import { runRepl } from './repl.ts'

export interface RunOptions extends GlobalOptions {
  scope: Scope
  via: Via
  temperature: number
  maxTokens?: number | undefined
  seed?: string | undefined
  system?: string | undefined
  peer: string[]
  verbose?: boolean
}

/** Answers one question, or chats. */
export async function runModel(first: string, rest: string[], options: RunOptions): Promise<void> {
  const mayLeave = options.scope !== 'device'
  const signal = interruptSignal()
  await using device = await openCliDevice({
    listen: mayLeave ? [] : null,
    needsKeys: mayLeave,
    chain: options.chain,
    models: options.models,
  })
  for (const address of options.peer) await device.peers.ask(address, { signal })
  // `run "a question"` means the bundled model.
  const hasModel =
    isModelName(first) ||
    (await isModelHere(first, options)) ||
    (mayLeave && (await device.peers.isOffered(first)))
  const model = hasModel ? first : 'acorn'
  const words = hasModel ? rest : [first, ...rest]
  const isChat = words.length === 0 && process.stdin.isTTY && !options.json
  // Awaited: else the device would be closed under it.
  if (isChat) return await chat(device, model, options)
  const prompt = words.length > 0 ? words.join(' ') : (await readAll(process.stdin)).trim()
  if (prompt === '')
    throw new UsageError({ what: 'there is no question', next: 'freehold run "…"' })
  const messages = [...system(options), { role: 'user' as const, content: prompt }]
  const completion = await answer(device, model, messages, options, signal)
  const report = await completion.settled
  if (options.json) printJson(summary(completion, report))
  else conclude(completion, options)
  if (report?.pooled === 'fail') say('The audit of this answer failed: do not trust it.')
  if (completion.error) throw completion.error
}

/** Whether a word is the name of a model in a store, rather than a prompt. */
async function isModelHere(text: string, options: RunOptions): Promise<boolean> {
  if (tryModelName(text) === null) return false
  return (await openCliLibrary(options).find(text)) !== null
}

function system({ system }: RunOptions): ChatMessage[] {
  return system === undefined ? [] : [{ role: 'system', content: system }]
}

async function answer(
  device: Device,
  model: string,
  messages: readonly ChatMessage[],
  options: RunOptions,
  signal: AbortSignal,
): Promise<Completion> {
  const completion = await device.complete({
    model,
    messages,
    scope: options.scope,
    via: options.via,
    temperature: options.temperature,
    maxTokens: options.maxTokens,
    seed: options.seed === undefined ? undefined : seedOf(options.seed),
    signal,
    onHeader: showHeader,
    onText: options.json ? undefined : (text) => process.stdout.write(safe(text)),
  })
  if (!options.json) process.stdout.write('\n')
  return completion
}

/** A header is small beside its model, but not beside a slow line. */
function showHeader({ model, modelId, lender, chunks, ofChunks }: HeaderProgress): void {
  const from = peerName(fromHex(lender))
  if (chunks === 0) say(`Fetching the header of ${safe(model)} (${modelId}) from ${from}`)
  else say(`  ${chunks} of ${ofChunks} MiB`)
}

/** A typed seed, spread over 32 bytes. */
function seedOf(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(utf8(text)).digest())
}

function conclude({ route, record }: Completion, options: RunOptions): void {
  const from = route.where === 'here' ? 'this device' : `a peer, receipt ${record?.id}`
  if (options.verbose || record) say(`Answered by ${from} (${route.why}).`)
}

function summary(completion: Completion, report: Awaited<Completion['settled']>) {
  const { text, ids, totalMs, firstTokenMs, finish, route, model, record, promptTokens } =
    completion
  return {
    text,
    model: model.name,
    modelId: model.modelId,
    where: route.where,
    why: route.why,
    promptTokens,
    tokens: ids.length,
    finish,
    firstTokenMs,
    totalMs,
    tokensPerSecond: totalMs > 0 ? (1_000 * ids.length) / totalMs : null,
    receipt: record?.id ?? null,
    verdict: report?.pooled ?? null,
    error: completion.error?.message ?? null,
  }
}

async function chat(device: Device, model: string, options: RunOptions): Promise<void> {
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
  await runRepl({
    settings,
    input: process.stdin,
    output: process.stderr,
    history: environment.hasHistory ? createChatHistory(pathsOf(environment).history) : undefined,
    answer: async (messages, now, signal) => {
      const { isVerbose: verbose, ...asked } = now
      const asks = { ...options, ...asked, system: undefined, verbose }
      const completion = await answer(device, now.model, messages, asks, signal)
      conclude(completion, asks)
      if (completion.error && !signal.aborted) say(completion.error.message)
      return completion.text === '' ? null : completion.text
    },
    describe: async (name) => {
      const { info } = await device.model(name)
      return `${info.name}, ${info.quantisation}, context ${info.contextTokens} tokens\n${info.modelId}`
    },
  })
}
