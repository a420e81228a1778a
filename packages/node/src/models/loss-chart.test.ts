import { describe, expect, it } from 'vitest'
import { lossChart } from './loss-chart.ts'
import type { ShrunkModel } from './shrink.ts'

const model = (quantisation: string, sizeBytes: number, klMean: number | null): ShrunkModel => ({
  ...{ quantisation, sizeBytes, tokensPerSecond: 1, perplexity: 5 },
  loss:
    klMean === null
      ? null
      : {
          ...{ positions: 9, perplexity: 5, originalPerplexity: 5, klMean },
          ...{ klP99: 1, topAgreement: 1 },
        },
})

const MODELS = [model('Q8_0', 8e6, null), model('Q4_K_M', 4e6, 0.02), model('Q2_K', 2e6, 0.2)]

describe('lossChart', () => {
  it('default: smaller is further left, what lost more is higher', () => {
    const svg = lossChart('Acorn', MODELS)
    const points = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)]
    const [x, y] = [1, 2].map((part) => points.map((found) => Number(found[part]))) as [
      number[],
      number[],
    ]
    expect(x).toEqual(x.toSorted((a, b) => b - a))
    expect(y).toEqual(y.toSorted((a, b) => b - a))
    expect(new Set(y).size).toBe(3)
    for (const text of ['Q8_0', 'Q4_K_M', 'Q2_K', '10.0 MB']) expect(svg).toContain(`>${text}<`)
  })

  it('behaviour: a name cannot break out of the drawing', () => {
    const svg = lossChart('<script>&"', MODELS)
    expect(svg).not.toContain('<script>')
    expect(svg).toContain('&#60;script&#62;&#38;&#34;')
  })
})
