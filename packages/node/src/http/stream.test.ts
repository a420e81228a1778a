import { describe, expect, it } from 'vitest'
import { SSE, type StreamInit, streamResponse } from './stream.ts'

const init: StreamInit = {
  contentType: SSE,
  onFailure: ({ message }) => `failed: ${message}`,
  ping: 'ping ',
  onCancel: () => {},
}

describe('streamResponse', () => {
  it('default', async () => {
    async function* pieces() {
      yield 'a'
      yield 'b'
    }
    const response = await streamResponse(pieces(), init)
    expect(response.headers.get('content-type')).toBe(SSE)
    expect(await response.text()).toBe('ab')
  })

  it('behaviour: while there is nothing to send it pings', async () => {
    const gate = Promise.withResolvers<void>()
    async function* pieces() {
      await gate.promise
      yield 'a'
    }
    const response = await streamResponse(pieces(), { ...init, firstWithinMs: 1, pingMs: 1 })
    const reader = response.body?.getReader()
    const first = await reader?.read()
    expect(new TextDecoder().decode(first?.value)).toBe('ping ')
    gate.resolve()
    let rest = ''
    for (;;) {
      const step = await reader?.read()
      if (step === undefined || step.done) break
      rest += new TextDecoder().decode(step.value)
    }
    expect(rest).toMatch(/^(ping )*a$/)
  })

  it('behaviour: a failure is thrown before anything is sent, and told afterwards', async () => {
    async function* pieces(before: string[]) {
      yield* before
      throw new Error('no')
    }
    await expect(streamResponse(pieces([]), init)).rejects.toThrow('no')
    const late = await streamResponse(pieces(['a']), init)
    expect(await late.text()).toBe('afailed: something failed inside the device')
  })

  it('behaviour: who stops reading is known at once, and the source ends', async () => {
    const cancelled = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    async function* pieces() {
      try {
        yield 'a'
        await cancelled.promise
        yield 'b'
      } finally {
        ended.resolve()
      }
    }
    const onCancel = () => cancelled.resolve()
    const response = await streamResponse(pieces(), { ...init, onCancel })
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    await cancelled.promise
    await ended.promise
  })
})
