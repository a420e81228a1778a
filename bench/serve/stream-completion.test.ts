import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { readEvents, streamCompletion } from './stream-completion.ts'

async function collect(...parts: readonly Uint8Array[]): Promise<string[]> {
  async function* body() {
    yield* parts
  }
  const events: string[] = []
  for await (const event of readEvents(body())) events.push(event)
  return events
}

/** A server that answers everything with `text`, as servers of both kinds write it. */
async function answering(text: string) {
  const server = createServer((_, response) => void response.end(text))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, model: 'any', [Symbol.dispose]: () => void server.close() }
}

const ASK = { prompt: [1, 2], maxTokens: 3, seed: 1 }

it('default: reads events that are cut anywhere, and leaves out comments', async () => {
  const bytes = new TextEncoder().encode('data: {"text":"é"}\n\n: ping\n\ndata: [DONE]\r\n\r\n')
  const events = ['{"text":"é"}', '[DONE]']
  expect(await collect(bytes)).toEqual(events)
  expect(await collect(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(events)
})

it('behaviour: counts tokens as the server says, and fails where it is refused or broken off', async () => {
  using good = await answering(
    'data: {"choices":[{"text":"a"}],"usage":null}\n\n' +
      'data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}\n\ndata: [DONE]\n\n',
  )
  const seen = await streamCompletion(good, ASK)
  expect(seen).toMatchObject({ promptTokens: 2, tokens: 3 })
  expect(seen.firstMs).toBeLessThanOrEqual(seen.totalMs)
  using broken = await answering('data: {"error":{"message":"no memory"}}\n\n')
  await expect(streamCompletion(broken, ASK)).rejects.toThrow('no memory')
  using silent = await answering('data: [DONE]\n\n')
  await expect(streamCompletion(silent, ASK)).rejects.toThrow('usage')
})
