import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { UsageError } from '@freehold/core/errors'
import { describe, expect, it } from 'vitest'
import { listCpuVariants } from './cpu-variants.ts'
import { createLlamaEngine } from './llama-engine.ts'
import { ACORN } from './test-models.ts'

const variants = await listCpuVariants()

async function farms(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('freehold-cpu-'))
}

describe.skipIf(variants.length < 2)('cpu variants (only where several are shipped)', () => {
  it('default: the best comes first, and is what is loaded without asking', async () => {
    await using engine = createLlamaEngine({ gpu: false })
    await using model = await engine.load(ACORN, { contextTokens: 256, sequences: 1 })
    expect(model.info.profile.isa).toBe(variants[0]?.name)
    for (const { score } of variants) expect(score).toBeGreaterThan(0)
  })

  it('behaviour: a forced one is the one that computes, and leaves no folder', async () => {
    const before = await farms()
    const results: number[][] = []
    for (const { name } of [variants[0]!, variants.at(-1)!]) {
      await using engine = createLlamaEngine({ cpuVariant: name })
      await using model = await engine.load(ACORN, { contextTokens: 256, sequences: 1 })
      expect(model.info.profile).toMatchObject({ isa: name, backend: 'cpu' })
      await using sequence = await model.openSequence()
      const [position] = await sequence.prefill(await model.tokenize('The acorn falls'))
      results.push(Array.from(position!.logits))
    }
    const [best, plainest] = results
    expect(Math.abs(best![0]! - plainest![0]!)).toBeLessThan(0.5)
    expect(best).not.toEqual(plainest)
    await expect.poll(farms).toEqual(before)
  })

  it('behaviour: refuses one that is not shipped', async () => {
    await using engine = createLlamaEngine({ cpuVariant: 'z80' })
    await expect(engine.load(ACORN)).rejects.toThrow(UsageError)
  })
})
