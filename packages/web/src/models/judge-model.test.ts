import { describe, expect, it } from 'vitest'
import { isGguf, judgeModel, judgeSize } from './judge-model.ts'

const GIB = 2 ** 30

const fileOf = (first: string, size: number) => ({
  name: 'some.gguf',
  size,
  slice: () => new Blob([first]),
})

describe('judgement of a model', () => {
  it('default: what a tab can hold is neither refused nor warned of', async () => {
    expect(await judgeModel(fileOf('GGUF', GIB), false)).toEqual({ refusal: null, warning: null })
    expect(await judgeModel(fileOf('GGUF', GIB), true)).toEqual({ refusal: null, warning: null })
  })

  it('behaviour: what is no GGUF is refused by its first bytes, whatever its name', async () => {
    const { refusal } = await judgeModel(fileOf('PK\u0003\u0004', 1_000), false)
    expect(refusal).toBe('some.gguf is no GGUF model.')
    expect((await judgeModel(fileOf('GG', 2), false)).refusal).toContain('no GGUF')
    expect(isGguf(new TextEncoder().encode('GGUF and more'))).toBe(true)
    expect(isGguf(new Uint8Array())).toBe(false)
  })

  it('behaviour: a phone is warned before 1.5 GB with a cache, and no tab holds 2 GiB', () => {
    expect(judgeSize(1_250_000_000, true).warning).toBeNull()
    expect(judgeSize(1_250_000_001, true).warning).toContain('1.5 GB')
    expect(judgeSize(1_250_000_001, false).warning).toBeNull()
    expect(judgeSize(2 * GIB - 1, false).refusal).toBeNull()
    expect(judgeSize(2 * GIB, false)).toMatchObject({ warning: null })
    expect(judgeSize(2 * GIB, true).refusal).toContain('A browser cannot load more')
  })
})
