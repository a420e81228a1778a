import { z } from 'zod'
import { route } from '../route.ts'

const MAX_DOCUMENTS = 255

const rerankSchema = z.object({
  model: z.string().min(1),
  query: z.string().min(1),
  documents: z
    .array(z.union([z.string(), z.object({ text: z.string() })]))
    .min(1)
    .max(MAX_DOCUMENTS),
  top_n: z.int().min(1).optional(),
  return_documents: z.boolean().optional(),
})

export const rerank = route({
  method: 'POST',
  path: '/v1/rerank',
  about:
    'Documents by how near their vectors are to the query’s (cosine). Models made for ranking pairs are not supported.',
  body: rerankSchema,
  refuses: { max_chunks_per_doc: [], max_tokens_per_doc: [], rank_fields: [] },
  async handle({ body, asker }, parts) {
    const { model, query, top_n = Infinity } = body
    const documents = body.documents.map((one) => (typeof one === 'string' ? one : one.text))
    const inputs = [query, ...documents]
    const { vectors, promptTokens } = await parts.embed({ model, inputs, asker })
    const [asked = new Float32Array(), ...others] = vectors
    const results = others
      .map((vector, index) => ({
        index,
        relevance_score: vector.reduce((sum, value, i) => sum + value * (asked[i] ?? 0), 0),
        ...(body.return_documents ? { document: { text: documents[index] } } : {}),
      }))
      .sort((a, b) => b.relevance_score - a.relevance_score || a.index - b.index)
      .slice(0, top_n)
    const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens }
    return Response.json({ id: `rerank-${parts.newId()}`, object: 'list', model, results, usage })
  },
})
