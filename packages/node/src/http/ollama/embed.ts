import { z } from 'zod'
import { route } from '../route.ts'
import { keepAliveMs, keepAliveSchema } from './fields.ts'

const MAX_INPUTS = 256

export const embed = route({
  method: 'POST',
  path: '/api/embed',
  about:
    'Vectors of length 1. A text that is longer than the context is an error, also where `truncate` is true.',
  body: z.object({
    model: z.string().min(1),
    input: z.union([z.string(), z.array(z.string()).min(1).max(MAX_INPUTS)]),
    keep_alive: keepAliveSchema,
    truncate: z.boolean().optional(),
  }),
  refuses: { dimensions: [], options: [{}] },
  async handle({ body, asker }, parts) {
    const { model, input, keep_alive } = body
    const inputs = typeof input === 'string' ? [input] : input
    const init = { model, inputs, asker, keepAliveMs: keepAliveMs(keep_alive) }
    const { vectors, promptTokens, loadMs, totalMs } = await parts.embed(init)
    return Response.json({
      model,
      embeddings: vectors.map((vector) => [...vector]),
      total_duration: Math.round(totalMs * 1e6),
      load_duration: Math.round(loadMs * 1e6),
      prompt_eval_count: promptTokens,
    })
  },
})

export const embeddings = route({
  method: 'POST',
  path: '/api/embeddings',
  about: 'One vector, in the older shape.',
  body: z.object({
    model: z.string().min(1),
    prompt: z.string().min(1),
    keep_alive: keepAliveSchema,
  }),
  refuses: { options: [{}] },
  async handle({ body, asker }, parts) {
    const { model, prompt, keep_alive } = body
    const init = { model, inputs: [prompt], asker, keepAliveMs: keepAliveMs(keep_alive) }
    const { vectors } = await parts.embed(init)
    return Response.json({ embedding: [...(vectors[0] ?? [])] })
  },
})
