/** What people's programs do, with the clients that they use, on the bundled model. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import Anthropic from '@anthropic-ai/sdk'
import type { Device } from '@freehold/core/device/device'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, jsonSchema, streamText, tool } from 'ai'
import { Ollama } from 'ollama'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { openDevice } from '../device/open-device.ts'
import { BUNDLED } from '../models/acorn.ts'
import { type FakeHub, startFakeHub } from '../models/hub.fixture.ts'
import { openModelLibrary } from '../models/library.ts'
import { NO_FOREIGN } from '../models/store.fixture.ts'
import { type Listener, listen } from './listen.ts'
import { openServing, type Serving } from './open-serving.ts'

const TOKEN = 'not-so-secret'
const model = 'acorn'
const messages = [{ role: 'user' as const, content: 'What is 7 plus 5?' }]
const schema = {
  type: 'object',
  properties: { place: { type: 'string', enum: ['Oslo', 'Rome'] }, days: { type: 'integer' } },
  required: ['place', 'days'],
  additionalProperties: false,
}

let folder: string
let hub: FakeHub
let device: Device
let serving: Serving
let listener: Listener
let openai: OpenAI
const defects: unknown[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-clients-'))
  const paths = pathsOf({ home: folder })
  device = await openDevice({ paths })
  hub = await startFakeHub()
  const birch = await readFile(BUNDLED['acorn-small'] ?? '')
  hub.files.set('birch-Q8_0.gguf', birch)
  hub.images.set('library/birch:1b', [{ kind: 'model', bytes: birch }])
  serving = openServing(
    {
      paths: [],
      hub: { endpoint: hub.endpoint, registry: hub.registry },
      responses: paths.responses,
      widestScope: 'device',
      tokens: [TOKEN],
      origins: [],
      hosts: [],
      pool: { parallel: 4 },
      onDefect: (error) => defects.push(error),
    },
    { device, library: openModelLibrary({ paths, foreign: NO_FOREIGN }) },
  )
  listener = await listen(serving.app.fetch, { port: 0 })
  openai = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: TOKEN, maxRetries: 0 })
})
afterAll(async () => {
  expect(defects).toEqual([])
  await listener[Symbol.asyncDispose]()
  await serving[Symbol.asyncDispose]()
  await hub[Symbol.asyncDispose]()
  await device[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

describe('openai', () => {
  it('default: an answer, the same with the same seed', async () => {
    const ask = (seed: number) => openai.chat.completions.create({ model, messages, seed })
    const [one, again] = [await ask(5), await ask(5)]
    expect(one.choices[0]?.message.content).toMatch(/12/)
    expect(again.choices[0]?.message.content).toBe(one.choices[0]?.message.content)
    expect(one.usage?.completion_tokens).toBeGreaterThan(0)
    expect(one._request_id).toMatch(/^req_/)
  })

  it('behaviour: a stream with usage is the same text', async () => {
    const init = { model, messages, temperature: 0 }
    const whole = await openai.chat.completions.create(init)
    const stream = await openai.chat.completions.create({
      ...init,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage ?? usage
    }
    expect(text).toBe(whole.choices[0]?.message.content)
    expect(usage?.completion_tokens).toBe(whole.usage?.completion_tokens)
  })

  it('behaviour: a call of a tool, as the choice asks', async () => {
    const completion = await openai.chat.completions.create({
      model,
      messages,
      tools: [{ type: 'function', function: { name: 'weather', parameters: schema } }],
      tool_choice: 'required',
    })
    const [choice] = completion.choices
    expect(choice?.finish_reason).toBe('tool_calls')
    const [call] = choice?.message.tool_calls ?? []
    if (call?.type !== 'function') throw new Error('no call of a function')
    expect(call.function.name).toBe('weather')
    expect(['Oslo', 'Rome']).toContain(JSON.parse(call.function.arguments).place)
    const free = await openai.chat.completions.create({
      model,
      messages,
      max_tokens: 100,
      tools: [{ type: 'function', function: { name: 'weather', parameters: schema } }],
    })
    for (const made of free.choices[0]?.message.tool_calls ?? []) {
      if (made.type === 'function')
        expect(JSON.parse(made.function.arguments)).toHaveProperty('days')
    }
    expect(['stop', 'length', 'tool_calls']).toContain(free.choices[0]?.finish_reason)
  })

  it('behaviour: an answer in a schema, with log-probabilities', async () => {
    const completion = await openai.chat.completions.parse({
      model,
      messages,
      logprobs: true,
      max_completion_tokens: 100,
      response_format: { type: 'json_schema', json_schema: { name: 'trip', schema } },
    })
    const [choice] = completion.choices
    expect(['Oslo', 'Rome']).toContain(JSON.parse(choice?.message.content ?? '').place)
    const content = choice?.logprobs?.content ?? []
    const bytes = content.flatMap((token) => token.bytes ?? [])
    expect(Buffer.from(bytes).toString()).toBe(choice?.message.content)
  })

  it('behaviour: stop texts, several choices, plain completions', async () => {
    const chat = await openai.chat.completions.create({ model, messages, n: 2, max_tokens: 3 })
    const init = { model, messages, logprobs: true, top_logprobs: 2 }
    const told = await openai.chat.completions.create(init)
    expect(told.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(2)
    expect(chat.choices.map(({ finish_reason }) => finish_reason)).toEqual(['length', 'length'])
    const prompt = 'Once upon a time'
    const text = await openai.completions.create({ model, prompt, max_tokens: 30, stop: ' ' })
    expect(text.choices[0]?.text).not.toMatch(/\S /)
  })

  it('behaviour: vectors, as this client asks for them by itself', async () => {
    const { data, usage } = await openai.embeddings.create({ model, input: ['a hare', 'a stone'] })
    const norm = data[0]?.embedding.reduce((sum, value) => sum + value * value, 0)
    expect(norm).toBeCloseTo(1, 4)
    expect(data[1]?.embedding).not.toEqual(data[0]?.embedding)
    expect(usage.prompt_tokens).toBeGreaterThan(2)
    const input = 'a hare'
    const floats = await openai.embeddings.create({ model, input, encoding_format: 'float' })
    for (const [i, value] of (floats.data[0]?.embedding ?? []).entries()) {
      expect(value).toBeCloseTo(data[0]?.embedding[i] ?? Number.NaN, 3)
    }
  })

  it('behaviour: responses that go on from each other', async () => {
    const first = await openai.responses.create({ model, input: 'My name is Ada.', temperature: 0 })
    expect(first.output_text).not.toBe('')
    const next = await openai.responses.create({
      model,
      input: 'Tell me a story.',
      previous_response_id: first.id,
      max_output_tokens: 20,
    })
    expect(next.usage?.input_tokens).toBeGreaterThan((first.usage?.total_tokens ?? 0) - 2)
    expect(next.incomplete_details?.reason).toBe('max_output_tokens')
    const stream = openai.responses.stream({ model, input: 'Hello', max_output_tokens: 20 })
    let text = ''
    stream.on('response.output_text.delta', ({ delta }) => {
      text += delta
    })
    expect((await stream.finalResponse()).output_text).toBe(text)
    await openai.responses.delete(first.id)
    await expect(openai.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 })
  })

  it('behaviour: errors come as its own classes', async () => {
    const ask = (more: object) => openai.chat.completions.create({ model, messages, ...more })
    await expect(ask({ model: 'gpt-9' })).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    await expect(ask({ store: true })).rejects.toMatchObject({ status: 400, param: 'store' })
    const stranger = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: 'x', maxRetries: 0 })
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    const content = 'a '.repeat(3_000)
    await expect(ask({ messages: [{ role: 'user', content }] })).rejects.toMatchObject({
      code: 'context_length_exceeded',
    })
    const long = { messages: [{ role: 'user', content: 'a'.repeat(10_000_000) }] }
    await expect(ask(long)).rejects.toMatchObject({ status: 413 })
  })

  it('behaviour: who hangs up leaves its place to others', async () => {
    const hanging = Array.from({ length: 4 }, async () => {
      const stream = await openai.chat.completions.create({
        model,
        messages: [{ role: 'user', content: 'Tell me a long story about a whale.' }],
        stream: true,
        logit_bias: Object.fromEntries([0, 1, 2].map((id) => [id, -100])),
      })
      for await (const _ of stream) break
    })
    await Promise.all(hanging)
    await openai.chat.completions.create({ model, messages, max_tokens: 2 })
    const { models } = await new Ollama({
      host: listener.url,
      headers: { authorization: `Bearer ${TOKEN}` },
    }).ps()
    expect(models).toMatchObject([{ name: model, running: 0, waiting: 0 }])
  })

  it('behaviour: models', async () => {
    const ids = (await openai.models.list()).data.map(({ id }) => id)
    expect(ids).toContain(model)
    expect(await openai.models.retrieve(model)).toMatchObject({ id: model, object: 'model' })
  })
})

describe('@anthropic-ai/sdk', () => {
  const client = () => new Anthropic({ baseURL: listener.url, apiKey: TOKEN, maxRetries: 0 })

  it('default: a message, and the same as a stream', async () => {
    const init = { model, messages, max_tokens: 60, temperature: 0 }
    const message = await client().messages.create(init)
    expect(message).toMatchObject({ stop_reason: 'end_turn', content: [{ type: 'text' }] })
    const stream = client().messages.stream(init)
    const final = await stream.finalMessage()
    expect(final.content).toEqual(message.content)
    expect(await stream.finalText()).toMatch(/12/)
    expect(final.usage.output_tokens).toBe(message.usage.output_tokens)
  })

  it('behaviour: a tool that must be used, counting, errors', async () => {
    const message = await client().messages.create({
      model,
      messages,
      max_tokens: 100,
      tools: [{ name: 'weather', input_schema: { ...schema, type: 'object' } }],
      tool_choice: { type: 'tool', name: 'weather' },
    })
    expect(message.stop_reason).toBe('tool_use')
    expect(message.content).toMatchObject([{ type: 'tool_use', name: 'weather' }])
    const { input_tokens } = await client().messages.countTokens({ model, messages })
    expect(input_tokens).toBeGreaterThan(5)
    const wrong = client().messages.create({ model: 'nobody', messages, max_tokens: 9 })
    await expect(wrong).rejects.toBeInstanceOf(Anthropic.NotFoundError)
  })
})

describe('ollama', () => {
  const client = () =>
    new Ollama({ host: listener.url, headers: { authorization: `Bearer ${TOKEN}` } })

  it('default: chat, whole and as a stream', async () => {
    const options = { temperature: 0 }
    const whole = await client().chat({ model, messages, options })
    expect(whole.message.content).toMatch(/12/)
    expect(whole.eval_count).toBeGreaterThan(0)
    let text = ''
    for await (const part of await client().chat({ model, messages, options, stream: true })) {
      text += part.message.content
    }
    expect(text).toBe(whole.message.content)
  })

  it('behaviour: generate, embed, tags, ps, show, version', async () => {
    const format = schema
    const { response } = await client().generate({ model, prompt: 'Where?', format })
    expect(['Oslo', 'Rome']).toContain(JSON.parse(response ?? '').place)
    const { embeddings } = await client().embed({ model, input: ['a', 'b'] })
    expect(embeddings).toHaveLength(2)
    const { models } = await client().list()
    const [first] = models
    expect(models.map(({ name }) => name)).toEqual(['acorn', 'acorn-small'])
    expect(first?.details).toMatchObject({ quantization_level: 'Q8_0', parameter_size: '3.1M' })
    expect((await client().ps()).models).toMatchObject([{ name: model, digest: first?.digest }])
    const shown = await client().show({ model })
    expect(shown.template).toContain('<|im_start|>')
    expect(shown.license).toBe('apache-2.0')
    expect((await client().version()).version).toBe('0.1.0')
  })

  it('behaviour: errors are its own', async () => {
    await expect(client().chat({ model: 'nobody', messages })).rejects.toMatchObject({
      name: 'ResponseError',
      status_code: 404,
    })
    await expect(client().delete({ model: 'acorn' })).rejects.toThrow(/not in the store/)
  })

  it('behaviour: pulls, copies and deletes, and reads no file that nobody offered', async () => {
    const steps: string[] = []
    const birch = 'hf.co/user/repo:Q8_0'
    for await (const { status } of await client().pull({ model: birch, stream: true })) {
      if (status !== steps.at(-1)) steps.push(status)
    }
    expect(steps[0]).toBe('pulling manifest')
    expect(steps.at(-1)).toBe('success')
    await client().copy({ source: birch, destination: 'birch' })
    const names = async () => (await client().list()).models.map(({ name }) => name)
    expect(await names()).toEqual(['acorn', 'acorn-small', 'birch:latest', birch])
    const { response } = await client().generate({ model: 'birch', prompt: 'Hello' })
    expect(response).not.toBe('')
    await client().delete({ model: birch })
    await client().delete({ model: 'birch:latest' })
    expect(await names()).toEqual(['acorn', 'acorn-small'])
    const theirs = 'ollama.com/library/birch:1b'
    expect(await client().pull({ model: theirs })).toEqual({ status: 'success' })
    expect((await client().generate({ model: theirs, prompt: 'Hello' })).response).not.toBe('')
    await client().delete({ model: theirs })
    const path = BUNDLED['acorn-small'] ?? ''
    await expect(client().show({ model: path })).rejects.toMatchObject({ status_code: 404 })
  })
})

describe('ai and @langchain/openai', () => {
  it('default: streamText, and a tool', async () => {
    const provider = createOpenAICompatible({
      name: 'freehold',
      baseURL: `${listener.url}/v1`,
      apiKey: TOKEN,
      includeUsage: true,
    })
    const stream = streamText({
      model: provider(model),
      prompt: 'What is 7 plus 5?',
      temperature: 0,
    })
    let text = ''
    for await (const part of stream.textStream) text += part
    expect(text).toMatch(/12/)
    expect((await stream.usage).outputTokens).toBeGreaterThan(0)
    const { toolCalls } = await generateText({
      model: provider(model),
      prompt: 'Weather?',
      tools: { weather: tool({ inputSchema: jsonSchema(schema as object) }) },
      toolChoice: 'required',
    })
    expect(toolCalls).toMatchObject([{ toolName: 'weather' }])
  })

  it('default: invoke', async () => {
    const chat = new ChatOpenAI({
      model,
      temperature: 0,
      apiKey: TOKEN,
      configuration: { baseURL: `${listener.url}/v1` },
    })
    expect((await chat.invoke('What is 7 plus 5?')).text).toMatch(/12/)
    let text = ''
    for await (const part of await chat.stream('What is 7 plus 5?')) text += part.text
    expect(text).toMatch(/12/)
  })
})
