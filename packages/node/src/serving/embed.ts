import { ModelError, UsageError } from '@freehold/core/errors'
import type { Asker, ServingComponents } from './answer.ts'
import { ContextError, NoSuchModelError, UnsupportedError } from './errors.ts'

export interface EmbedInit {
  model: string
  inputs: readonly (string | readonly number[])[]
  asker: Asker
  keepAliveMs?: number | undefined
  contextTokens?: number | undefined
}

export interface Embedded {
  /** Of length 1 each, in the order of the inputs. */
  vectors: Float32Array[]
  promptTokens: number
  loadMs: number
  totalMs: number
}

/** Turns texts into vectors, always on this device. */
export type EmbedService = (init: EmbedInit) => Promise<Embedded>

export function createEmbedService({
  models,
  pool,
}: Pick<ServingComponents, 'models' | 'pool'>): EmbedService {
  return async ({ model: name, inputs, asker, ...lease }) => {
    if (asker.via === 'peer') {
      throw new UnsupportedError('x-freehold-via', { what: 'vectors cannot be borrowed' })
    }
    const found = await models.find(name)
    if (found === null) throw new NoSuchModelError({ what: `there is no model "${name}" here` })
    const { signal, client } = asker
    const startedMs = performance.now()
    await using held = await pool.take(found, { ...lease, client, signal })
    const { served } = held
    const { model, generator } = served
    const lists: (readonly number[])[] = []
    for (const input of inputs) {
      lists.push(typeof input === 'string' ? await served.idsToEmbed(input) : input)
      const ids = lists.at(-1) ?? []
      if (ids.length === 0) throw new UsageError({ what: 'an input is empty' })
      if (ids.length > model.info.contextTokens) {
        throw new ContextError({
          what: `an input has ${ids.length} tokens, and the context of ${name} is ${model.info.contextTokens}`,
          next: 'Cut it into parts: nothing is ever cut off silently',
        })
      }
      if (ids.some((id) => id >= model.info.vocabSize)) {
        throw new UsageError({ what: `an input has a token that ${name} does not know` })
      }
    }
    const vectors = await generator.embed(lists, { signal }).catch((cause: unknown) => {
      if (!(cause instanceof ModelError)) throw cause
      throw new UnsupportedError('model', { what: `${name} gives no vectors`, cause })
    })
    const promptTokens = lists.reduce((sum, { length }) => sum + length, 0)
    return { vectors, promptTokens, loadMs: held.loadMs, totalMs: performance.now() - startedMs }
  }
}
