import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { Completion } from '@freehold/core/device/completions'
import type { ChatMessage } from '@freehold/core/device/text'
import { FreeholdError } from '@freehold/core/errors'
import { decideRoute } from '@freehold/core/routing/route'
import { z } from 'zod'
import type { Resident } from '../serving/resident.ts'
import { fetchFrom, loadedModels, ResidentGoneError } from './resident-client.ts'

type Shown = 'text' | 'route' | 'promptTokens' | 'finish' | 'firstTokenMs' | 'totalMs'

/** What commands show of an answer, wherever it was computed. */
export interface Answered
  extends Pick<Completion, Shown | 'error' | 'record' | 'redacted' | 'settled'> {
  tokens: number
  model: { name: string; modelId: string }
}

export interface ResidentQuestion {
  model: string
  messages: readonly ChatMessage[]
  temperature: number
  maxTokens: number | undefined
  /** Called with text as it comes. */
  onText: ((text: string) => void) | undefined
  signal: AbortSignal
}

/** As many as an own answer has where nobody says otherwise. */
const DEFAULT_MAX_TOKENS = 512

const lineSchema = z.union([
  z.object({ error: z.string() }),
  z.object({
    message: z.object({ content: z.string(), thinking: z.string().optional() }),
    done: z.boolean(),
    done_reason: z.enum(['stop', 'length']).optional(),
    prompt_eval_count: z.number().optional(),
    eval_count: z.number().optional(),
  }),
])

type Line = Exclude<z.output<typeof lineSchema>, { error: string }>

/**
 * Has the process that serves this device answer, over loopback. It draws as this process would:
 * by temperature alone.
 * @throws FreeholdError, UsageError, as an answer of this process does
 */
export async function askResident(
  resident: Resident,
  { model, messages, temperature, maxTokens, onText, signal }: ResidentQuestion,
): Promise<Answered> {
  const startedMs = performance.now()
  const only = { temperature, top_k: 0, top_p: 1, min_p: 0 }
  const body = {
    ...{ model, messages },
    options: { ...only, num_predict: maxTokens ?? DEFAULT_MAX_TOKENS },
  }
  const response = await fetchFrom(resident, '/api/chat', { body, signal })
  let text = ''
  let isThinking = false
  let firstTokenMs: number | null = null
  let last: Line | null = null
  const show = (part: string) => {
    if (part === '') return
    firstTokenMs ??= performance.now() - startedMs
    text += part
    onText?.(part)
  }
  try {
    for await (const line of linesOf(response)) {
      const { content, thinking = '' } = line.message
      // As the model itself writes it.
      if (thinking !== '') show(isThinking ? thinking : `<think>${thinking}`)
      isThinking ||= thinking !== ''
      if (isThinking && (content !== '' || line.done)) {
        show('</think>')
        isThinking = false
      }
      show(content)
      last = line
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof FreeholdError ? error : brokenOff(firstTokenMs !== null, error)
  }
  signal.throwIfAborted()
  if (!last?.done) throw brokenOff(firstTokenMs !== null)
  return {
    ...{ text, firstTokenMs, error: null, record: null, settled: Promise.resolve(null) },
    redacted: {},
    totalMs: performance.now() - startedMs,
    route: decideRoute({ scope: 'device', via: 'auto', model, notHere: null }),
    // The answer is whole, whatever becomes of the process.
    model: await nameOf(resident, model).catch(() => ({ name: model, modelId: '' })),
    promptTokens: last.prompt_eval_count ?? 0,
    tokens: last.eval_count ?? 0,
    finish: last.done_reason ?? 'stop',
  }
}

/** Its connection ended or half a line came: it was killed. @param isShown whether words of it are */
function brokenOff(isShown: boolean, cause?: unknown): FreeholdError {
  const what = 'the process that serves broke off its answer'
  if (!isShown) return new ResidentGoneError({ what, cause })
  return new FreeholdError({ what, next: 'Ask again: another one is started', cause })
}

async function* linesOf({ body }: Response): AsyncGenerator<Line> {
  if (body === null) return
  const input = Readable.fromWeb(body as ReadableStream)
  for await (const written of createInterface({ input })) {
    const line = lineSchema.parse(JSON.parse(written))
    if ('error' in line) throw new FreeholdError({ what: line.error })
    yield line
  }
}

const showSchema = z.object({
  model_info: z.looseObject({ 'general.name': z.string().optional() }),
})

/** What the model calls itself, and its id. */
async function nameOf(resident: Resident, model: string): Promise<Answered['model']> {
  const ask = async (path: string, body?: object) =>
    (await fetchFrom(resident, path, { body })).json() as Promise<unknown>
  const [loaded, shown] = await Promise.all([loadedModels(ask), ask('/api/show', { model })])
  const asked = model.toLowerCase()
  const found = loaded.find(({ name, digest }) => name.toLowerCase() === asked || digest === asked)
  const { model_info: info } = showSchema.parse(shown)
  return { name: info['general.name'] ?? model, modelId: found?.digest ?? '' }
}
