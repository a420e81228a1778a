import { describe, expect, it } from 'vitest'
import { variantFlags } from './variant-flags.ts'

const LISTS = `
        ggml_add_cpu_backend_variant(x64)
        ggml_add_cpu_backend_variant(haswell            SSE42 AVX F16C FMA AVX2 BMI2)
        ggml_add_cpu_backend_variant(armv8.2_1    DOTPROD)
`

describe('variantFlags', () => {
  it('default: turns on what the variant may use, and nothing of this CPU', () => {
    expect(variantFlags(LISTS, 'haswell')).toEqual([
      '-DGGML_NATIVE=OFF',
      ...['SSE42', 'AVX', 'F16C', 'FMA', 'AVX2', 'BMI2'].map((name) => `-DGGML_${name}=ON`),
    ])
  })

  it('behaviour: builds for this CPU where features are no options, or there is one build', () => {
    for (const variant of ['armv8.2_1', 'x64', 'unknown', null]) {
      expect(variantFlags(LISTS, variant)).toEqual(['-DGGML_NATIVE=ON'])
    }
  })
})
