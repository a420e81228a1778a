import { z } from 'zod'
import { UnsupportedError } from '../../serving/errors.ts'
import { route } from '../route.ts'

const MAX_INPUTS = 256

const ids = z.array(z.int().min(0)).min(1)

const embeddingsSchema = z.object({
  model: z.string().min(1),
  input: z.union([
    z.string(),
    z.array(z.string()).min(1).max(MAX_INPUTS),
    ids,
    z.array(ids).min(1).max(MAX_INPUTS),
  ]),
  encoding_format: z.enum(['float', 'base64']).optional(),
  dimensions: z.int().min(1).optional(),
})

export const embeddings = route({
  method: 'POST',
  path: '/v1/embeddings',
  about:
    'Vectors of length 1, as numbers or as base64 of 32-bit floats. `dimensions` must be the model’s own.',
  body: embeddingsSchema,
  async handle({ body, asker }, parts) {
    const { model, input, dimensions } = body
    const isOne = typeof input === 'string' || typeof input[0] === 'number'
    const inputs = (isOne ? [input] : input) as (string | number[])[]
    const { vectors, promptTokens } = await parts.embed({ model, inputs, asker })
    const own = vectors[0]?.length
    if (dimensions !== undefined && dimensions !== own) {
      throw new UnsupportedError('dimensions', {
        what: `vectors of ${dimensions} dimensions cannot be had`,
        why: `those of ${model} have ${own}`,
      })
    }
    const isBase64 = body.encoding_format === 'base64'
    return Response.json({
      object: 'list',
      model,
      data: vectors.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: isBase64 ? base64(vector) : [...vector],
      })),
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
    })
  },
})

function base64(vector: Float32Array): string {
  const bytes = new DataView(new ArrayBuffer(vector.length * 4))
  for (const [index, value] of vector.entries()) bytes.setFloat32(index * 4, value, true)
  return Buffer.from(bytes.buffer).toString('base64')
}
