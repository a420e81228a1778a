import { once } from 'node:events'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createTestApi } from './api.fixture.ts'
import { listen } from './listen.ts'

const body = (stream: boolean) =>
  JSON.stringify({ model: 'toy', messages: [{ role: 'user', content: 'Hi' }], stream })

describe('listen', () => {
  it('default: answers on loopback', async () => {
    await using api = createTestApi()
    await using listener = await listen(api.app.fetch, { port: 0 })
    const response = await fetch(`${listener.url}/health`)
    expect(await response.json()).toEqual({ status: 'ok' })
  })

  it('behaviour: a port that is taken is said clearly', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const port = Number((other.address() as { port: number }).port)
    await using api = createTestApi()
    await expect(listen(api.app.fetch, { port })).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringMatching(/another program has it.*--port/),
    })
    other.close()
  })

  it('behaviour: a name that was turned to this machine reaches nothing', async () => {
    await using api = createTestApi()
    await using listener = await listen(api.app.fetch, { port: 0 })
    const { port } = new URL(listener.url)
    const statusAs = async (host: string) => {
      const asked = request(listener.url, { path: '/v1/models', headers: { host } }).end()
      const [response] = await once(asked, 'response')
      response.resume()
      return response.statusCode
    }
    expect(await statusAs(`localhost:${port}`)).toBe(200)
    expect(await statusAs(`evil.example:${port}`)).toBe(403)
  })

  it('behaviour: 10 MB are refused, whether or not that is said before, and the next is answered', async () => {
    await using api = createTestApi()
    await using listener = await listen(api.app.fetch, { port: 0 })
    for (const isSaid of [true, false]) {
      const chunk = Buffer.alloc(1_000_000, ' ')
      const headers: Record<string, string> = isSaid ? { 'content-length': '10000000' } : {}
      const asked = request(`${listener.url}/v1/chat/completions`, { method: 'POST', headers })
      // It need not wait until all of it is sent.
      asked.on('error', () => {})
      for (let count = 0; count < 10; count++) asked.write(chunk)
      const [response] = await once(asked, 'response')
      expect(response.statusCode).toBe(413)
      asked.destroy()
    }
    expect((await fetch(`${listener.url}/health`)).status).toBe(200)
  })

  it.each([
    ['whole', false],
    ['as a stream', true],
  ])('behaviour: a connection that ends stops the answer, asked for %s', async (_name, stream) => {
    const reached = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    await using api = createTestApi({
      script: {
        pieces: new Array(1_000).fill('x'),
        beforePiece: (index) => {
          if (index < 3) return
          reached.resolve()
          return gate.promise
        },
      },
    })
    await using listener = await listen(api.app.fetch, { port: 0 })
    const gone = new AbortController()
    const whole = fetch(`${listener.url}/v1/chat/completions`, {
      method: 'POST',
      body: body(stream),
      signal: gone.signal,
    }).then((response) => response.text())
    await reached.promise
    const stopped = once(api.scripted.asked[0]?.signal as AbortSignal, 'abort')
    gone.abort()
    await expect(whole).rejects.toThrow(/abort/)
    await stopped
    gate.resolve()
    // The place is free again when the next one is through.
    await api.ask('/v1/chat/completions', { ...JSON.parse(body(false)), max_tokens: 5 })
    expect(api.scripted.written).toBe(3 + 5)
  })
})
