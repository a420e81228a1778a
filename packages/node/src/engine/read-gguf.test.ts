import { requireSoundVocabulary } from '@freehold/core/engine/describe-gguf'
import { renameToken } from '@freehold/core/engine/edited-models.fixture'
import { ggufStrings } from '@freehold/core/engine/gguf'
import { afterAll, describe, expect, it } from 'vitest'
import { readGguf } from './read-gguf.ts'
import { ACORN, createBrokenModels } from './test-models.ts'

const broken = await createBrokenModels()
afterAll(async () => {
  await broken[Symbol.asyncDispose]()
})

describe('readGguf', () => {
  it('default: reads the bundled model', async () => {
    const { header, stats } = await readGguf(ACORN)
    const last = Math.max(...header.tensors.map((tensor) => tensor.offset + tensor.sizeBytes))
    expect(last).toBeLessThanOrEqual(stats.size)
    expect(header.metadata.get('general.architecture')).toBe('llama')
    expect(ggufStrings(header, 'tokenizer.ggml.tokens')).toContain('Ċ')
    requireSoundVocabulary(header)
  })

  it('behaviour: a vocabulary without newline is refused', async () => {
    const path = await broken.make('no-newline', (bytes) => renameToken(bytes, 'Ċ', 'ф'))
    const { header } = await readGguf(path)
    expect(() => requireSoundVocabulary(header)).toThrow(/no token for the newline/)
  })

  it('behaviour: a vocabulary with the same token twice is refused', async () => {
    const path = await broken.make('twice', (bytes) => renameToken(bytes, 'Ā', 'ā'))
    const { header } = await readGguf(path)
    expect(() => requireSoundVocabulary(header)).toThrow(/the same token twice/)
    // Native code sees no further than a zero.
    const zero = await broken.make('zero', (bytes) => renameToken(bytes, 'he', 'h\0'))
    const cut = (await readGguf(zero)).header
    expect(() => requireSoundVocabulary(cut)).toThrow(/the same token twice/)
  })

  it('behaviour: a file that ends in its header says so', async () => {
    const path = await broken.make('cut', (bytes) => bytes.subarray(0, 1000))
    await expect(readGguf(path)).rejects.toThrow(/ends at byte 1000, inside its header/)
    await expect(readGguf(`${path}.none`)).rejects.toThrow(/cannot be read: ENOENT/)
  })

  it('behaviour: stops when aborted', async () => {
    const signal = AbortSignal.abort(new Error('no'))
    await expect(readGguf(ACORN, { signal })).rejects.toThrow('no')
  })
})
