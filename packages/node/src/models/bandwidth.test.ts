import { describe, expect, it } from 'vitest'
import { estimateTokensPerSecond, measureBandwidth } from './bandwidth.ts'

describe('measureBandwidth', () => {
  it('default: reads memory as machines do, and more threads no slower than a crawl', async () => {
    const rate = await measureBandwidth({ threads: 1 })
    expect(rate).toBeGreaterThan(1e7)
    expect(rate).toBeLessThan(1e13)
    expect(await measureBandwidth({ threads: 2 })).toBeGreaterThan(1e7)
  })

  it('behaviour: stops when aborted', async () => {
    const controller = new AbortController()
    const work = measureBandwidth({ threads: 1, signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(work).rejects.toThrow('enough')
  })
})

describe('estimateTokensPerSecond', () => {
  it('default: half as much to read is about twice as fast, but never free', () => {
    const [slow, fast] = [2e9, 1e9].map((bytes) => estimateTokensPerSecond(bytes, 1e10))
    expect((fast ?? 0) / (slow ?? 1)).toBeCloseTo(2, 1)
    expect(estimateTokensPerSecond(1, 1e12)).toBeLessThanOrEqual(1_000)
  })
})
