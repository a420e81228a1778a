import { z } from 'zod'
import type { Question } from '../../serving/answer.ts'
import { route } from '../route.ts'
import { loadOrUnload, type OllamaPart, ollamaAnswer } from './answer.ts'
import { answerFields, answerInitOf, REFUSED, thinkOf } from './fields.ts'

const generateSchema = z
  .object({
    ...answerFields,
    prompt: z.string().optional(),
    system: z.string().optional(),
    /** The prompt goes to the model as it is. */
    raw: z.boolean().optional(),
  })
  .refine(({ logprobs, top_logprobs: top }) => top === undefined || logprobs, {
    path: ['top_logprobs'],
    message: 'it needs logprobs',
  })

export const generate = route({
  method: 'POST',
  path: '/api/generate',
  about:
    'An answer to one prompt, as lines of JSON unless `stream` is false. Without a prompt the model is loaded, or unloaded where `keep_alive` is 0.',
  body: generateSchema,
  refuses: {
    ...REFUSED,
    context: [[]],
    height: [],
    steps: [],
    suffix: [''],
    template: [''],
    width: [],
  },
  async handle(request, parts) {
    const { body, asker } = request
    const init = { ...answerInitOf(body), asker }
    if (!body.prompt) return loadOrUnload(init, put, parts)
    const question = questionOf(body, body.prompt)
    return ollamaAnswer(request, { ...init, question }, { stream: body.stream ?? true, put }, parts)
  },
})

function questionOf(body: z.output<typeof generateSchema>, prompt: string): Question {
  const { raw = false, system, think } = body
  if (raw) return { kind: 'text', text: prompt }
  const first = system ? [{ role: 'system', content: system }] : []
  return {
    kind: 'chat',
    messages: [...first, { role: 'user', content: prompt }],
    tools: [],
    choice: { kind: 'none' },
    parallelCalls: true,
    think: thinkOf(think),
  }
}

function put({ content, thinking }: OllamaPart): object {
  return { response: content, ...(thinking === undefined ? {} : { thinking }) }
}
