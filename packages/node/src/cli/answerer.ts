import { createHash } from 'node:crypto'
import { fromHex, utf8 } from '@freehold/core/bytes'
import { UNLIMITED } from '@freehold/core/clearing/budget'
import type { AnswerBreak } from '@freehold/core/device/answer-parts'
import type { CompletionInit } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { HeaderProgress } from '@freehold/core/device/headers'
import type { ChatMessage } from '@freehold/core/device/text'
import { peerName } from '@freehold/core/identity/peer-name'
import { describeModelFiles } from '../models/describe-model.ts'
import { openOwnUse, ownUseFolder } from '../power/own-use.ts'
import type { Resident } from '../serving/resident.ts'
import { type Answered, askResident } from './ask-resident.ts'
import { backgroundIdle, reachResident } from './background.ts'
import { openCliLibrary, requireModel } from './cli-library.ts'
import { cliPaths, openCliDevice } from './context.ts'
import { safe, say } from './output.ts'
import { ResidentGoneError } from './resident-client.ts'
import type { RunOptions } from './run-model.ts'
import { openingText, tendChannels } from './tend-channels.ts'

export interface Asked {
  model: string
  messages: readonly ChatMessage[]
  temperature: number
  maxTokens: number | undefined
  seed: string | undefined
  onText: ((text: string) => void) | undefined
  /** Asks the person what borrowed answers may cost, where nobody has said. */
  agree?: CompletionInit['agree']
  signal: AbortSignal
}

/** Answers from wherever the options allow: the process that serves, this process, or a peer. */
export interface Answerer extends AsyncDisposable {
  answer(asked: Asked): Promise<Answered>
  /** Whether a known lender offers it. */
  isOffered(model: string): Promise<boolean>
  /** What is known of a model, in two lines. @throws ModelError when there is none */
  describe(model: string): Promise<string>
  /** Opens channels that the next answers may need, where something was borrowed: after an answer. */
  tend(): Promise<void>
  /** Starts what will be needed, while a person still types. */
  warm(): void
}

/**
 * @param signal ends what starts by itself
 * @param mayChat whether one question may follow another
 */
export async function openAnswerer(
  options: RunOptions,
  { signal, mayChat }: { signal: AbortSignal; mayChat: boolean },
): Promise<Answerer> {
  const mayLeave = options.scope !== 'device'
  const paths = cliPaths(options)
  const ownUse = openOwnUse(ownUseFolder(paths))
  const idle = await backgroundIdle(paths, options)
  let opening: Promise<Device> | null = null
  const device = (): Promise<Device> => {
    opening ??= openCliDevice({
      listen: mayLeave ? [] : null,
      needsKeys: mayLeave,
      readyAhead: mayChat,
      mayForget: !mayLeave,
      chain: options.chain,
      models: options.models,
    })
    return opening
  }
  let reaching: Promise<Resident | null> | null = null
  const resident = (): Promise<Resident | null> => {
    reaching ??= reachResident(paths, { idle, signal })
    return reaching
  }
  /** What stays here by itself, and what any process of this device would draw alike. */
  const isForResident =
    options.resident && !mayLeave && options.via !== 'peer' && options.peer.length === 0

  // Who lends is asked, and a passphrase typed, before anything else.
  if (mayLeave || options.peer.length > 0) {
    for (const address of options.peer) await (await device()).peers.ask(address, { signal })
  }

  return {
    answer: async (asked) => {
      // What is lent yields to what the owner asks.
      using _own = ownUse.begin()
      const model = isForResident ? await sharedName(asked, options) : null
      const found = model === null ? null : await resident()
      if (found !== null && model !== null) {
        try {
          return await askResident(found, { ...asked, model })
        } catch (error) {
          if (!(error instanceof ResidentGoneError)) throw error
          // Its time was just over. The next question may find another.
          reaching = null
        }
      }
      return answerHere(await device(), asked, options)
    },
    isOffered: async (model) => mayLeave && (await (await device()).peers.isOffered(model)),
    describe: async (model) => {
      if (mayLeave) {
        const { info } = await (await device()).model(model)
        return `${info.name}, ${info.quantisation}, context ${info.contextTokens} tokens\n${info.modelId}`
      }
      const library = openCliLibrary(options)
      const found = await requireModel(library, model)
      const { title, quantisation, contextTokens } = await describeModelFiles(found, { signal })
      const id = await library.modelIdAt(found.paths[0] ?? '', { signal })
      return `${safe(title)}, ${quantisation}, context ${contextTokens} tokens\n${id}`
    },
    tend: async () => {
      if (mayLeave && opening !== null) await tendChannels(await opening, { signal, isJson: false })
    },
    warm: () => {
      if (isForResident) resident().catch(() => {})
    },
    [Symbol.asyncDispose]: async () => {
      await (await opening?.catch(() => undefined))?.[Symbol.asyncDispose]()
    },
  }
}

/**
 * What any process of this device calls the model; null: this one must answer. A seed means the same
 * each time in the sampler that is audited, a file is nobody else's, and what is not here is refused.
 */
async function sharedName({ model, seed }: Asked, options: RunOptions): Promise<string | null> {
  if (seed !== undefined) return null
  const found = await openCliLibrary(options).find(model)
  return found === null || found.origin === 'file' ? null : found.name
}

async function answerHere(device: Device, asked: Asked, options: RunOptions): Promise<Answered> {
  const { seed, ...question } = asked
  const completion = await device.complete({
    ...question,
    scope: options.scope,
    via: options.via,
    send: options.send,
    seed: seed === undefined ? undefined : seedOf(seed),
    onHeader: showHeader,
    maxPrice: options.maxPrice,
    agree: options.yes ? async () => UNLIMITED : asked.agree,
    onOpening: (opened) => say(openingText(opened)),
    onBreak: showBreak,
  })
  return { ...completion, tokens: completion.ids.length }
}

/** A header is small beside its model, but not beside a slow line. */
function showHeader({ model, modelId, lender, chunks, ofChunks }: HeaderProgress): void {
  const from = peerName(fromHex(lender))
  if (chunks === 0) say(`Fetching the header of ${safe(model)} (${modelId}) from ${from}`)
  else say(`  ${chunks} of ${ofChunks} MiB`)
}

/** The text goes on, and the person should know why it paused. */
function showBreak({ lender, tokens, error }: AnswerBreak): void {
  const name = peerName(fromHex(lender))
  say(
    `${name} broke off after ${tokens} tokens (${safe(error.what)}); the answer goes on elsewhere.`,
  )
}

/** A typed seed, spread over 32 bytes. */
function seedOf(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(utf8(text)).digest())
}
