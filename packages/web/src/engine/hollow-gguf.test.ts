import { readFile } from 'node:fs/promises'
import { describeGguf, requireSoundVocabulary } from '@freehold/core/engine/describe-gguf'
import { ggufStrings, parseGguf } from '@freehold/core/engine/gguf'
import { describe, expect, it } from 'vitest'
import { hollowGguf } from './hollow-gguf.ts'

const ACORN = new URL('../../../../models/acorn/acorn-q8_0.gguf', import.meta.url)

describe('hollowGguf', () => {
  it('default: has the tokenizer of the model, and next to nothing else', async () => {
    const bytes = await readFile(ACORN)
    const header = parseGguf(bytes, bytes.length)
    const { vocabSize } = describeGguf(header, '')
    const blob = hollowGguf(header, vocabSize)
    const hollow = parseGguf(new Uint8Array(await blob.arrayBuffer()), blob.size)
    const tokenizer = [...header.metadata].filter(([key]) => key.startsWith('tokenizer.'))
    expect(tokenizer.length).toBeGreaterThan(3)
    for (const [key, value] of tokenizer) {
      if (typeof value !== 'object') expect(hollow.metadata.get(key)).toEqual(value)
      else expect(ggufStrings(hollow, key)).toEqual(ggufStrings(header, key))
    }
    requireSoundVocabulary(hollow)
    const last = Math.max(...hollow.tensors.map(({ offset, sizeBytes }) => offset + sizeBytes))
    expect(last).toBeLessThanOrEqual(blob.size)
    expect(blob.size - hollow.dataOffset).toBeLessThan(40 * (vocabSize + 1_000))
  })
})
