import { describe, expect, it, vi } from 'vitest'
import { createIdleEnd } from './idle-end.ts'

const ASK = new Request('http://127.0.0.1/')

async function watch(respond: () => Response) {
  vi.useFakeTimers()
  const idleEnd = createIdleEnd(respond, 1_000)
  let isIdle = false
  void idleEnd.idle.then(() => {
    isIdle = true
  })
  return { idleEnd, isIdle: () => isIdle, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) }
}

describe('createIdleEnd', () => {
  it('default: each question starts the time anew', async () => {
    const { idleEnd, isIdle, pass } = await watch(() => new Response('yes'))
    await pass(900)
    expect(await (await idleEnd.fetch(ASK)).text()).toBe('yes')
    await pass(900)
    expect(isIdle()).toBe(false)
    await pass(200)
    expect(isIdle()).toBe(true)
  })

  it('behaviour: while an answer comes it waits, until its end or its reader’s', async () => {
    const { idleEnd, isIdle, pass } = await watch(() => new Response(new ReadableStream()))
    const response = await idleEnd.fetch(ASK)
    await pass(10_000)
    expect(isIdle()).toBe(false)
    await response.body?.cancel()
    await pass(1_100)
    expect(isIdle()).toBe(true)
  })

  it('behaviour: what fails is no question any more', async () => {
    const { idleEnd, isIdle, pass } = await watch(() => {
      throw new Error('no')
    })
    await expect(idleEnd.fetch(ASK)).rejects.toThrow('no')
    await pass(1_100)
    expect(isIdle()).toBe(true)
  })
})
