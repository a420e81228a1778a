import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { basename } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { UsageError } from '@freehold/core/errors'
import { systemClock } from '@freehold/core/platform'
import { z } from 'zod'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import type { FoundModel } from '../models/library.ts'
import { createEmbedService } from '../serving/embed.ts'
import { createLibraryModels } from '../serving/library-models.ts'
import { loadWith } from '../serving/load-served.ts'
import { createModelPool } from '../serving/model-pool.ts'
import type { Resident } from '../serving/resident.ts'
import { backgroundIdle, reachResident } from './background.ts'
import { openCliLibrary, requireModel } from './cli-library.ts'
import type { EmbedOptions } from './commands/embed.ts'
import { cliPaths, interruptSignal } from './context.ts'
import { print, printJson } from './output.ts'
import { fetchFrom, ResidentGoneError } from './resident-client.ts'

/** As many as one request may have. */
const BATCH = 256

interface Batch {
  vectors: readonly (readonly number[])[]
  promptTokens: number
}

type Embed = (inputs: readonly string[]) => Promise<Batch>

/** Prints a vector for each text. */
export async function embedTexts(given: readonly string[], options: EmbedOptions): Promise<void> {
  const signal = interruptSignal()
  const texts = await textsOf(given, options)
  const library = openCliLibrary(options)
  const found = await requireModel(library, options.model)
  const paths = cliPaths(options)
  const idle = await backgroundIdle(paths, options)
  const isShared = options.resident && found.origin !== 'file'
  const resident = isShared ? await reachResident(paths, { idle, signal }) : null
  await using here = createHere(found, options, signal)
  let embed = resident === null ? here.embed : embedBy(resident, found.name, signal)
  const vectors: (readonly number[])[] = []
  let promptTokens = 0
  for (let at = 0; at < texts.length; at += BATCH) {
    const inputs = texts.slice(at, at + BATCH)
    const batch = await embed(inputs).catch((error: unknown) => {
      if (!(error instanceof ResidentGoneError)) throw error
      embed = here.embed
      return here.embed(inputs)
    })
    vectors.push(...batch.vectors)
    promptTokens += batch.promptTokens
  }
  if (options.json) return printJson({ model: found.name, embeddings: vectors, promptTokens })
  for (const vector of vectors) print(JSON.stringify(vector))
}

async function textsOf(given: readonly string[], { file }: EmbedOptions): Promise<string[]> {
  const files = await Promise.all(
    file.map((path) =>
      readFile(path, 'utf8').catch((cause: Error) => {
        throw new UsageError({ what: `${path} cannot be read`, why: cause.message, cause })
      }),
    ),
  )
  const texts = [...given, ...files]
  if (texts.length === 0 && !process.stdin.isTTY) {
    texts.push(
      ...(await readAll(process.stdin)).split(/\r?\n/).filter((line) => line.trim() !== ''),
    )
  }
  if (texts.length === 0) {
    throw new UsageError({ what: 'there is no text', next: 'freehold embed "…"' })
  }
  return texts
}

const embeddedSchema = z.object({
  embeddings: z.array(z.array(z.number())),
  prompt_eval_count: z.number(),
})

function embedBy(resident: Resident, model: string, signal: AbortSignal): Embed {
  return async (input) => {
    const response = await fetchFrom(resident, '/api/embed', { body: { model, input }, signal })
    const { embeddings, prompt_eval_count } = embeddedSchema.parse(await response.json())
    return { vectors: embeddings, promptTokens: prompt_eval_count }
  }
}

/** Computes in this process, with what the process that serves computes with. */
function createHere(
  found: FoundModel,
  options: EmbedOptions,
  signal: AbortSignal,
): AsyncDisposable & { embed: Embed } {
  const library = openCliLibrary(options)
  const [path = ''] = found.paths
  const isFile = found.origin === 'file'
  const models = createLibraryModels(isFile ? [path] : [], { library })
  const model = isFile ? basename(path).replace(/\.gguf$/i, '') : found.name
  const engine = createLlamaEngine({ modelIdAt: (at, init) => library.modelIdAt(at, init) })
  const limits = { keepAliveMs: Infinity, parallel: 1, maxModels: 1, maxWaiting: 1 }
  const pool = createModelPool(
    { ...limits, memoryBytes: totalmem() },
    { clock: systemClock, load: loadWith(engine) },
  )
  const embed = createEmbedService({ models, pool })
  const asker = { client: 'embed', scope: 'device', via: 'here', signal } as const
  return {
    embed: async (inputs) => {
      const { vectors, promptTokens } = await embed({ model, inputs, asker })
      return { vectors: vectors.map((vector) => [...vector]), promptTokens }
    },
    [Symbol.asyncDispose]: async () => {
      await pool[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
    },
  }
}
