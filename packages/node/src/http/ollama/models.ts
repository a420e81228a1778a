import { ModelError } from '@freehold/core/errors'
import { z } from 'zod'
import { NoSuchModelError } from '../../serving/errors.ts'
import type { ModelDetails } from '../../serving/model-manager.ts'
import type { PoolRow } from '../../serving/model-pool.ts'
import { hasOwnTools } from '../../serving/tools.ts'
import { type ApiParts, route } from '../route.ts'

export const root = route({
  method: 'GET',
  path: '/',
  about: 'What clients of Ollama look for to see whether it runs.',
  handle: () => new Response('Ollama is running'),
})

export const version = route({
  method: 'GET',
  path: '/api/version',
  about: 'Version of Freehold.',
  handle: (_, parts) => Response.json({ version: parts.version }),
})

export const tags = route({
  method: 'GET',
  path: '/api/tags',
  about:
    'The models that are on this device; files that are no sound GGUF are left out. `digest` of a model of Ollama or of the Hugging Face cache is what that program’s store says; `/api/ps` has what it is.',
  async handle(_, { models }) {
    const all = await Promise.all(
      (await models.list()).map((model) =>
        models.describe(model, { isListing: true }).catch((error: unknown) => {
          // Another program's damaged file must not hide all the others.
          if (error instanceof ModelError) return null
          throw error
        }),
      ),
    )
    const sound = all.filter((model) => model !== null)
    return Response.json({
      models: sound.map((model) => ({
        name: model.name,
        model: model.name,
        modified_at: new Date(model.modifiedMs).toISOString(),
        size: model.sizeBytes,
        digest: model.modelId,
        details: { ...detailsOf(model), context_length: model.contextTokens },
        capabilities: capabilitiesOf(model),
      })),
    })
  },
})

/** Until when a model stays that nothing will unload by itself. */
const FOR_GOOD = '9999-12-31T23:59:59.000Z'

export const ps = route({
  method: 'GET',
  path: '/api/ps',
  about:
    'The models in memory. Besides Ollama’s fields: `state`, `running`, `waiting`, `processor`, and `expires_at` of the year 9999 while nothing will unload it.',
  async handle(_, parts) {
    const rows = await Promise.all(parts.pool.rows().map((row) => loadedModel(row, parts)))
    return Response.json({ models: rows.flat() })
  },
})

async function loadedModel(row: PoolRow, { models }: ApiParts) {
  const { name, expiresAtMs, state, running, waiting, processor } = row
  const model = await models.find(name)
  if (model === null) return []
  const details = await models.describe(model)
  const expires = expiresAtMs === null ? FOR_GOOD : new Date(expiresAtMs).toISOString()
  return [
    {
      name,
      model: name,
      size: row.sizeBytes,
      digest: details.modelId,
      details: detailsOf(details),
      expires_at: expires,
      size_vram: processor === '100% GPU' ? row.sizeBytes : 0,
      context_length: row.contextTokens ?? details.contextTokens,
      state,
      running,
      waiting,
      processor,
    },
  ]
}

export const show = route({
  method: 'POST',
  path: '/api/show',
  about: 'What a model says of itself: metadata, chat template, licence, capabilities.',
  body: z.object({
    model: z.string().min(1).optional(),
    name: z.string().min(1).optional(),
    verbose: z.boolean().optional(),
  }),
  refuses: { options: [{}], system: [''], template: [''] },
  async handle({ body }, { models }) {
    const name = body.model ?? body.name ?? ''
    const model = await models.find(name)
    if (model === null) throw new NoSuchModelError({ what: `there is no model "${name}" here` })
    const details = await models.describe(model)
    return Response.json({
      license: details.license,
      modelfile: `FROM ${name}\n`,
      parameters: '',
      template: details.chatTemplate,
      details: detailsOf(details),
      model_info: { ...details.metadata, 'general.parameter_count': details.parameters },
      capabilities: capabilitiesOf(details),
      modified_at: new Date(details.modifiedMs).toISOString(),
    })
  },
})

function detailsOf({ architecture, parameters, quantisation }: ModelDetails) {
  return {
    parent_model: '',
    format: 'gguf',
    family: architecture,
    families: [architecture],
    parameter_size: parameterSize(parameters),
    quantization_level: quantisation,
  }
}

function parameterSize(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(1)}B` : `${(count / 1e6).toFixed(1)}M`
}

function capabilitiesOf({ architecture, chatTemplate }: ModelDetails): string[] {
  if (architecture.includes('bert')) return ['embedding']
  return [
    'completion',
    ...(hasOwnTools(chatTemplate) ? ['tools'] : []),
    ...(chatTemplate.includes('</think>') ? ['thinking'] : []),
    'embedding',
  ]
}
