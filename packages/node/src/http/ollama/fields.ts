import { z } from 'zod'
import type { AnswerEnd, AnswerInit, Logprobs } from '../../serving/answer.ts'
import type { TextFormat } from '../../serving/generation.ts'
import { durationMs } from '../duration.ts'
import { HttpError } from '../errors.ts'
import type { Refusals } from '../route.ts'
import { beyondAudited, defined, samplingFields, samplingOf } from '../sampling.ts'

/** What chat and generate know and do not have, each with the values that ask for nothing. */
export const REFUSED: Refusals = {
  images: [[]],
  'options.draft_num_predict': [],
  'options.embedding_only': [false],
  'options.f16_kv': [true],
  'options.logits_all': [false],
  'options.low_vram': [false],
  'options.main_gpu': [0],
  'options.mirostat': [0],
  'options.mirostat_eta': [],
  'options.mirostat_tau': [],
  'options.num_batch': [],
  'options.num_gpu': [],
  'options.num_keep': [0],
  'options.num_thread': [0],
  'options.numa': [false],
  'options.penalize_newline': [true],
  'options.tfs_z': [1],
  'options.typical_p': [1],
  'options.use_mlock': [false],
  'options.use_mmap': [true],
  'options.vocab_only': [false],
  shift: [false],
  truncate: [false],
}

const { logit_bias: _, ...shared } = samplingFields

export const optionsSchema = z
  .looseObject({
    ...shared,
    num_ctx: z.int().min(1).optional(),
    /** -1 and -2: as much as the context leaves. */
    num_predict: z.int().min(-2).optional(),
    repeat_last_n: z.int().min(-1).optional(),
    stop: z.union([z.string(), z.array(z.string()).max(16)]).optional(),
  })
  .optional()

/** Seconds, or a number with its unit; below 0: for good. */
export const keepAliveSchema = z.union([z.string(), z.number()]).optional()

export const formatSchema = z
  .union([z.literal(''), z.literal('json'), z.record(z.string(), z.unknown())])
  .optional()

export const thinkSchema = z
  .union([z.boolean(), z.enum(['low', 'medium', 'high', 'max'])])
  .optional()

export const answerFields = {
  model: z.string().min(1),
  stream: z.boolean().optional(),
  format: formatSchema,
  options: optionsSchema,
  keep_alive: keepAliveSchema,
  think: thinkSchema,
  logprobs: z.boolean().optional(),
  top_logprobs: z.int().min(0).max(20).optional(),
}

type AnswerBody = z.output<z.ZodObject<typeof answerFields>>

/** What the fields that chat and generate share ask for. */
export function answerInitOf(body: AnswerBody): Omit<AnswerInit, 'asker' | 'question'> {
  const { options = {}, format } = body
  const { stop = [], num_predict: predict, repeat_last_n: last } = options
  const contextTokens = options.num_ctx
  const penaltyTokens = last === -1 ? Number.MAX_SAFE_INTEGER : last
  return {
    model: body.model,
    sampling: { ...samplingOf(options), ...defined({ penaltyTokens }) },
    maxTokens: predict === undefined || predict <= 0 ? undefined : predict,
    stop: typeof stop === 'string' ? [stop] : stop,
    format: textFormat(format),
    topLogprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    contextTokens,
    keepAliveMs: keepAliveMs(body.keep_alive),
    beyondAudited: beyondAudited(options, {
      stop,
      format: textFormat(format),
      logprobs: body.logprobs,
      think: body.think,
      num_ctx: contextTokens,
      repeat_last_n: last,
    }).map((name) => (name in options ? `options.${name}` : name)),
  }
}

function textFormat(format: z.output<typeof formatSchema>): TextFormat | undefined {
  if (format === undefined || format === '') return undefined
  return format === 'json' ? { kind: 'json' } : { kind: 'schema', schema: format }
}

export function thinkOf(think: z.output<typeof thinkSchema>) {
  if (think === undefined) return undefined
  const level = think === true ? 'medium' : think === false ? 'none' : think
  return { level, param: 'think' }
}

/** How long a model stays; undefined: as the device was started. @throws HttpError */
export function keepAliveMs(value: z.output<typeof keepAliveSchema>): number | undefined {
  if (value === undefined) return undefined
  try {
    return durationMs(String(value))
  } catch {
    throw new HttpError({
      status: 400,
      param: 'keep_alive',
      code: 'invalid_value',
      what: `keep_alive "${String(value).slice(0, 40)}" is no duration`,
      next: 'It is like 5m, 300 or -1',
    })
  }
}

/** Figures of an answer; durations in nanoseconds. */
export function figuresOf(end: AnswerEnd) {
  const ns = (ms: number) => Math.round(ms * 1e6)
  return {
    done: true,
    done_reason: end.finish === 'length' ? 'length' : 'stop',
    total_duration: ns(end.loadMs + end.promptMs + end.generateMs),
    load_duration: ns(end.loadMs),
    prompt_eval_count: end.promptTokens,
    prompt_eval_duration: ns(end.promptMs),
    eval_count: end.tokens,
    eval_duration: ns(end.generateMs),
  }
}

export function logprobsOf(logprobs: Logprobs) {
  const one = ({ bytes, logprob }: { bytes: Uint8Array; logprob: number }) => ({
    token: new TextDecoder().decode(bytes),
    logprob,
    bytes: [...bytes],
  })
  return logprobs.map((token) => ({ ...one(token), top_logprobs: token.top.map(one) }))
}
