import { z } from 'zod'
import type { LocalSampling } from '../engine/sample-locally.ts'

/** Parameters of sampling that several APIs share, by their usual names. */
export const samplingFields = {
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  /** 0: as many as there can be. */
  top_k: z.int().min(0).max(64, 'it is 64 at most').optional(),
  min_p: z.number().min(0).max(1).optional(),
  repeat_penalty: z.number().min(0.1).max(10).optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  seed: z.int().optional(),
  logit_bias: z.record(z.string().regex(/^\d+$/), z.number().min(-100).max(100)).optional(),
}

/** Those that the audited sampler cannot do, each with its value that asks for nothing. */
const NEUTRAL: Readonly<Record<string, unknown>> = {
  top_p: 1,
  top_k: 40,
  min_p: 0,
  repeat_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  seed: undefined,
  logit_bias: undefined,
}

type SamplingBody = { [Name in keyof typeof samplingFields]?: unknown } & {
  [Name in keyof z.output<z.ZodObject<typeof samplingFields>>]?:
    | z.output<z.ZodObject<typeof samplingFields>>[Name]
    | undefined
}

/** What a body says of sampling; what it does not say is left out. */
export function samplingOf(body: SamplingBody): Partial<LocalSampling> {
  const { logit_bias: bias } = body
  return defined({
    temperature: body.temperature,
    // The smallest share that still has a token in it.
    topP: body.top_p === 0 ? Number.EPSILON : body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repeatPenalty: body.repeat_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    seed: body.seed,
    logitBias: bias && new Map(Object.entries(bias).map(([id, value]) => [Number(id), value])),
  })
}

/** Names of what `body` asks for that only this device's own sampler can do. */
export function beyondAudited(body: SamplingBody, more: Readonly<Record<string, unknown>> = {}) {
  const sampling = Object.keys(NEUTRAL).filter((name) => {
    const value = body[name as keyof SamplingBody]
    return value !== undefined && value !== NEUTRAL[name]
  })
  const others = Object.entries(more).filter(([, value]) => isAsked(value))
  return [...sampling, ...others.map(([name]) => name)]
}

function isAsked(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  return value !== undefined && value !== false && value !== null
}

/** Without what is undefined, so that it may be laid over defaults. */
export function defined<T extends object>(
  values: T,
): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as never
}
