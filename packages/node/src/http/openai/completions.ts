import { z } from 'zod'
import type { AnswerEnd, AnswerEvent, AnswerInit, Logprobs } from '../../serving/answer.ts'
import { HttpError } from '../errors.ts'
import { merge } from '../merge.ts'
import { type ApiParts, route } from '../route.ts'
import { beyondAudited, samplingFields, samplingOf } from '../sampling.ts'
import { sseData } from '../stream.ts'
import { collectAll, streamChunks } from './answers.ts'
import { usageOf } from './usage.ts'

const MAX_ANSWERS = 16
const DEFAULT_MAX_TOKENS = 16

const ids = z.array(z.int().min(0)).min(1)

const completionSchema = z.object({
  model: z.string().min(1),
  prompt: z.union([z.string(), z.array(z.string()).min(1), ids, z.array(ids).min(1)]),
  max_tokens: z.int().min(1).optional(),
  ...samplingFields,
  stop: z.union([z.string(), z.array(z.string()).max(16)]).optional(),
  n: z.int().min(1).max(MAX_ANSWERS).optional(),
  logprobs: z.int().min(0).max(5).optional(),
  stream: z.boolean().optional(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).optional(),
})

type CompletionBody = z.output<typeof completionSchema>

export const completions = route({
  method: 'POST',
  path: '/v1/completions',
  about: 'A plain text, or token ids, continued.',
  body: completionSchema,
  refuses: { best_of: [1], echo: [false], suffix: [''] },
  async handle(request, parts) {
    const { body, asker } = request
    const { n = 1, stop = [] } = body
    const questions = questionsOf(body.prompt).flatMap((question) =>
      Array.from({ length: n }, () => question),
    )
    const sampling = samplingOf(body)
    const inits = questions.map(
      (question, index): AnswerInit => ({
        model: body.model,
        asker,
        question,
        sampling:
          sampling.seed === undefined
            ? sampling
            : { ...sampling, seed: sampling.seed + (index % n) },
        maxTokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
        stop: typeof stop === 'string' ? [stop] : stop,
        topLogprobs: body.logprobs,
        beyondAudited: beyondAudited(body, { prompt: true }),
      }),
    )
    if (inits.length > MAX_ANSWERS) throw tooMany(inits.length)
    const head = {
      id: `cmpl-${parts.newId()}`,
      object: 'text_completion',
      created: Math.floor(parts.nowMs() / 1_000),
      model: body.model,
      system_fingerprint: null,
    }
    const answers = inits.map((init) => parts.answer(init))
    if (body.stream) {
      return streamChunks(chunks(body, answers, head, parts), request)
    }
    const all = await collectAll(answers, request)
    for (const { end } of all) parts.metrics.answer(body.model, end)
    return Response.json({
      ...head,
      choices: all.map(({ text, logprobs, end }, index) => ({
        index,
        text,
        finish_reason: end.finish === 'length' ? 'length' : 'stop',
        logprobs: body.logprobs === undefined ? null : legacyLogprobs(logprobs, 0).logprobs,
      })),
      usage: usageOfAll(
        all.map(({ end }) => end),
        n,
      ),
    })
  },
})

function tooMany(count: number) {
  return new HttpError({
    status: 400,
    param: 'prompt',
    code: 'invalid_value',
    what: `${count} answers at once are more than ${MAX_ANSWERS}`,
  })
}

function questionsOf(prompt: CompletionBody['prompt']): AnswerInit['question'][] {
  if (typeof prompt === 'string') return [{ kind: 'text', text: prompt }]
  if (prompt.every((one) => typeof one === 'number')) return [{ kind: 'ids', ids: prompt }]
  return (prompt as (string | number[])[]).map((one) =>
    typeof one === 'string' ? { kind: 'text', text: one } : { kind: 'ids', ids: one },
  )
}

async function* chunks(
  body: CompletionBody,
  answers: AsyncGenerator<AnswerEvent, AnswerEnd>[],
  head: object,
  parts: ApiParts,
): AsyncGenerator<string> {
  const withUsage = body.stream_options?.include_usage ?? false
  const chunk = (choices: object[], usage: object | null = null) =>
    sseData({ ...head, choices, ...(withUsage ? { usage } : {}) })
  const ends: AnswerEnd[] = []
  const offsets = new Map<number, number>()
  for await (const { index, done, value } of merge(answers)) {
    if (done) {
      ends[index] = value
      parts.metrics.answer(body.model, value)
      const finish = value.finish === 'length' ? 'length' : 'stop'
      yield chunk([{ index, text: '', logprobs: null, finish_reason: finish }])
    } else if (value.kind === 'text') {
      const from = offsets.get(index) ?? 0
      const { logprobs, end } = legacyLogprobs(value.logprobs ?? [], from)
      offsets.set(index, end)
      const shown = value.logprobs === null ? null : logprobs
      yield chunk([{ index, text: value.text, logprobs: shown, finish_reason: null }])
    }
  }
  if (withUsage) yield chunk([], usageOfAll(ends, body.n ?? 1))
  yield 'data: [DONE]\n\n'
}

/** Each prompt counts once, however many answers it got. */
function usageOfAll(ends: readonly AnswerEnd[], n: number) {
  const prompts = ends.filter((_, index) => index % n === 0)
  const prompt = prompts.reduce((sum, { promptTokens }) => sum + promptTokens, 0)
  const { completion_tokens, ...more } = usageOf(ends)
  return {
    ...more,
    completion_tokens,
    prompt_tokens: prompt,
    total_tokens: prompt + completion_tokens,
  }
}

/** Log-probabilities in the shape of this older interface. @param from where the text began */
function legacyLogprobs(logprobs: Logprobs, from: number) {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  let at = from
  const offsets = logprobs.map(({ bytes }) => {
    const offset = at
    at += text(bytes).length
    return offset
  })
  return {
    end: at,
    logprobs: {
      tokens: logprobs.map(({ bytes }) => text(bytes)),
      token_logprobs: logprobs.map(({ logprob }) => logprob),
      top_logprobs: logprobs.map(({ top }) =>
        Object.fromEntries(top.map(({ bytes, logprob }) => [text(bytes), logprob])),
      ),
      text_offset: offsets,
    },
  }
}
