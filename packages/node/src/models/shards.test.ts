import { describe, expect, it } from 'vitest'
import { groupFiles, parseShard, quantisationIn } from './shards.ts'

describe('parseShard', () => {
  it('default', () => {
    expect(parseShard('big-Q8_0-00002-of-00003.gguf')).toEqual({
      stem: 'big-Q8_0',
      index: 2,
      count: 3,
      all: [1, 2, 3].map((index) => `big-Q8_0-0000${index}-of-00003.gguf`),
    })
  })

  it.each([
    'a.gguf',
    'a-00001-of-00001.gguf',
    'a-00004-of-00003.gguf',
    'a-00001-of-99999.gguf',
    'a-1-of-2.gguf',
  ])('behaviour: %s is a model by itself', (name) => expect(parseShard(name)).toBeNull())
})

describe('quantisationIn', () => {
  it.each([
    ['Llama-3.2-1B-Instruct-Q4_K_M.gguf', 'Q4_K_M'],
    ['qwen2.5-0.5b-instruct-q8_0.gguf', 'q8_0'],
    ['tiny.IQ2_XXS.gguf', 'IQ2_XXS'],
    ['Model-UD-Q4_K_XL-00001-of-00002.gguf', 'UD-Q4_K_XL'],
    ['Model-BF16.gguf', 'BF16'],
    ['Q6_K', 'Q6_K'],
    ['Qwen3-8B.gguf', null],
    ['model.gguf', null],
  ])('default: %s → %s', (name, quantisation) => {
    expect(quantisationIn(name)).toBe(quantisation)
  })
})

describe('groupFiles', () => {
  it('default: several files are one model, what is none or lacks some is left out', () => {
    const paths = [
      'README.md',
      'mmproj-F16.gguf',
      'small-Q2_K.gguf',
      'Q8_0/big-00002-of-00002.gguf',
      'Q8_0/big-00001-of-00002.gguf',
      'cut-00001-of-00002.gguf',
    ]
    expect(groupFiles(paths, (path) => path)).toEqual([
      {
        stem: 'big',
        quantisation: 'Q8_0',
        files: ['Q8_0/big-00001-of-00002.gguf', 'Q8_0/big-00002-of-00002.gguf'],
      },
      { stem: 'small-Q2_K', quantisation: 'Q2_K', files: ['small-Q2_K.gguf'] },
    ])
  })
})
