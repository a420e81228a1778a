import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { readGguf } from '../engine/read-gguf.ts'
import { ACORN } from '../engine/test-models.ts'
import { chooseQuantisation, outputFor, requireAbsent, shrink } from './shrink.ts'
import { parseSize, sizeText } from './size-text.ts'

/** For a machine that does much else at the same time. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const TEXT = 'Once upon a time there was a fox who lived near a river.'

const folder = await mkdtemp(join(tmpdir(), 'freehold-shrink-test-'))
afterAll(() => rm(folder, { recursive: true }))

describe('shrink', () => {
  it('default: writes a smaller file and says what that cost', async () => {
    const output = join(folder, 'small.gguf')
    const steps = new Set<string>()
    const [original, small] = await shrink({
      input: ACORN,
      to: ['Q3_K_M'],
      output,
      text: TEXT,
      onProgress: (step) => steps.add(step),
    })
    expect(small?.sizeBytes).toBe((await readGguf(output)).stats.size)
    expect(small?.sizeBytes).toBeLessThan(original.sizeBytes)
    expect([original.quantisation, small?.quantisation]).toEqual(['Q8_0', 'Q3_K_M'])
    expect(original.loss).toBeNull()
    expect(small?.loss?.klMean).toBeGreaterThan(0)
    expect(small?.tokensPerSecond).toBeGreaterThan(0)
    expect([...steps]).toEqual(['measuring Q8_0', 'quantising to Q3_K_M', 'measuring Q3_K_M'])
    await expect(requireAbsent(output)).rejects.toThrow(/is there already/)
  })

  it('behaviour: an abort leaves nothing behind', async () => {
    const controller = new AbortController()
    const output = join(folder, 'aborted.gguf')
    const before = await readdir(folder)
    const work = shrink({
      ...{ input: ACORN, to: ['Q4_K_M'], output, text: null, signal: controller.signal },
      onProgress: () => controller.abort(new Error('enough')),
    })
    await expect(work).rejects.toThrow('enough')
    expect(await readdir(folder)).toEqual(before)
  })
})

describe('chooseQuantisation', () => {
  it('default: the finest that is no larger', async () => {
    const limit = 2.2e6
    const chosen = await chooseQuantisation(ACORN, limit)
    expect(chosen).toBe('Q4_K_M')
    const output = join(folder, 'chosen.gguf')
    const [, small] = await shrink({ input: ACORN, to: [chosen], output, text: null })
    expect(small?.sizeBytes).toBeLessThanOrEqual(limit)
    expect(small?.tokensPerSecond).toBeNull()
  })

  it('behaviour: says when it is small enough already, and when it cannot be', async () => {
    await expect(chooseQuantisation(ACORN, 1e9)).rejects.toThrow(/has 3\.4 MB already/)
    await expect(chooseQuantisation(ACORN, 1e5)).rejects.toThrow(
      /smallest quantisation has 1\.\d MB/,
    )
  })
})

describe('outputFor', () => {
  it('default: the name says the new quantisation instead of the old one', () => {
    expect(outputFor('/m/acorn-q8_0.gguf', 'Q4_K_M')).toBe('/m/acorn-Q4_K_M.gguf')
    expect(outputFor('/m/Qwen.Q4_K_M.gguf', 'Q2_K')).toBe('/m/Qwen-Q2_K.gguf')
    expect(outputFor('/m/model.gguf', 'Q8_0')).toBe('/m/model-Q8_0.gguf')
  })
})

describe('sizes', () => {
  it('default: are read as people write them', () => {
    const sizes = ['1.5GB', '800 MiB', '4g', '12B', '1tb'].map(parseSize)
    expect(sizes).toEqual([1.5e9, 800 * 2 ** 20, 4e9, 12, 1e12])
    for (const wrong of ['', '5', 'GB', '-1GB', '1.5 XB', '0MB'])
      expect(() => parseSize(wrong)).toThrow(/is no size/)
  })

  it('behaviour: are written with two figures that matter', () => {
    const texts = [0, 999, 1_500, 94_440, 123_456_789, 4.66e9, 999_960].map(sizeText)
    expect(texts).toEqual(['0 B', '999 B', '1.5 kB', '94.4 kB', '123 MB', '4.7 GB', '1.0 MB'])
  })
})
