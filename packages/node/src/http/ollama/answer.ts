import type { AnswerEvent, AnswerInit } from '../../serving/answer.ts'
import { NoSuchModelError } from '../../serving/errors.ts'
import type { ToolCall } from '../../serving/tools.ts'
import { collect } from '../collect.ts'
import { ollamaError } from '../errors.ts'
import type { ApiParts, ApiRequest } from '../route.ts'
import { NDJSON, streamResponse } from '../stream.ts'
import { figuresOf, logprobsOf } from './fields.ts'

/** A part of an answer, as chat and generate each put it in their own words. */
export interface OllamaPart {
  content: string
  thinking?: string
  calls?: ToolCall[]
}

interface AnswerShape {
  stream: boolean
  /** The part in the words of this route. */
  put: (part: OllamaPart) => object
}

/** Answers as lines of JSON, or as one object. */
export async function ollamaAnswer(
  request: Pick<ApiRequest<unknown>, 'hangUp' | 'id'>,
  init: AnswerInit,
  { stream, put }: AnswerShape,
  parts: ApiParts,
): Promise<Response> {
  const head = () => ({
    model: init.model,
    created_at: new Date(parts.nowMs()).toISOString(),
  })
  const events = parts.answer(init)
  if (!stream) {
    const { text, reasoning, calls, logprobs, end } = await collect(events)
    parts.metrics.answer(init.model, end)
    const thinking = reasoning === '' ? {} : { thinking: reasoning }
    return Response.json({
      ...head(),
      ...put({ content: text, ...thinking, ...(calls.length > 0 ? { calls } : {}) }),
      ...figuresOf(end),
      ...(init.topLogprobs === undefined ? {} : { logprobs: logprobsOf(logprobs) }),
    })
  }
  async function* lines(): AsyncGenerator<string> {
    for (;;) {
      const step = await events.next()
      if (step.done) {
        parts.metrics.answer(init.model, step.value)
        yield line({ ...head(), ...put({ content: '' }), ...figuresOf(step.value) })
        return
      }
      const part = partOf(step.value)
      if (part === null) continue
      const logprobs = 'logprobs' in step.value ? step.value.logprobs : null
      const more = logprobs === null ? {} : { logprobs: logprobsOf(logprobs) }
      yield line({ ...head(), ...put(part), done: false, ...more })
    }
  }
  return streamResponse(lines(), {
    contentType: NDJSON,
    onFailure: (problem) => line(ollamaError(problem, request.id)),
    ping: null,
    onCancel: request.hangUp,
  })
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

function partOf(event: AnswerEvent): OllamaPart | null {
  if (event.kind === 'start') return null
  if (event.kind === 'call') return { content: '', calls: [event.call] }
  if (event.kind === 'reasoning') return { content: '', thinking: event.text }
  return { content: event.text }
}

/** An empty question loads the model, or unloads it when it shall not be kept. */
export async function loadOrUnload(
  { model: name, asker, contextTokens, keepAliveMs }: Omit<AnswerInit, 'question'>,
  put: (part: OllamaPart) => object,
  { models, pool, nowMs }: ApiParts,
): Promise<Response> {
  const model = await models.find(name)
  if (model === null) throw new NoSuchModelError({ what: `there is no model "${name}" here` })
  const isUnload = keepAliveMs === 0
  if (isUnload) pool.unload(model)
  else {
    const { client, signal } = asker
    await using _lease = await pool.take(model, { client, signal, contextTokens, keepAliveMs })
  }
  return Response.json({
    model: name,
    created_at: new Date(nowMs()).toISOString(),
    ...put({ content: '' }),
    done: true,
    done_reason: isUnload ? 'unload' : 'load',
  })
}
