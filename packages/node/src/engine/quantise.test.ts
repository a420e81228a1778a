import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EngineError, ModelError, UsageError } from '@freehold/core/errors'
import { afterAll, describe, expect, it } from 'vitest'
import { hashFile } from './hash-file.ts'
import { createLlamaEngine } from './llama-engine.ts'
import { type QuantiseProgress, quantise, quantisedSize } from './quantise.ts'
import { readGguf } from './read-gguf.ts'
import { ACORN } from './test-models.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-test-'))
afterAll(() => rm(folder, { recursive: true }))

describe('quantise', () => {
  it('default: makes a smaller model that still runs, the same bytes each time', async () => {
    const [one, two] = [join(folder, 'one.gguf'), join(folder, 'two.gguf')]
    await quantise(ACORN, one, 'Q2_K', { threads: 1 })
    await quantise(ACORN, two, 'Q2_K', { threads: 2 })
    expect(await hashFile(one)).toBe(await hashFile(two))
    expect((await readGguf(one)).stats.size).toBeLessThan((await readGguf(ACORN)).stats.size)
    await using engine = createLlamaEngine()
    await using model = await engine.load(one, { contextTokens: 256, sequences: 1 })
    expect(model.info.quantisation).toBe('Q2_K')
    await using sequence = await model.openSequence()
    expect((await sequence.step(1)).ids.length).toBeGreaterThan(0)
  })

  it('behaviour: says how far it is, and how large the file would be without writing it', async () => {
    const output = join(folder, 'told.gguf')
    const seen: QuantiseProgress[] = []
    await quantise(ACORN, output, 'Q4_0', { onProgress: (progress) => seen.push(progress) })
    const { header, stats } = await readGguf(output)
    const count = header.tensors.length
    expect(seen.map(({ tensors }) => tensors)).toEqual(header.tensors.map((_, index) => index + 1))
    expect(seen.at(-1)).toMatchObject({ tensors: count, ofTensors: count })
    const before = await readdir(folder)
    const size = await quantisedSize(ACORN, 'Q4_0')
    expect(Math.abs(size - stats.size)).toBeLessThan(16e3)
    expect(await readdir(folder)).toEqual(before)
  })

  it('behaviour: what is no model is refused and leaves nothing behind', async () => {
    const input = join(folder, 'junk.gguf')
    const output = join(folder, 'out.gguf')
    await writeFile(input, 'junk')
    await expect(quantise(input, output, 'Q4_0')).rejects.toThrow(ModelError)
    await expect(quantise(ACORN, output, 'Q9_X' as never)).rejects.toThrow(UsageError)
    await expect(quantise(ACORN, join(folder, 'none', 'x.gguf'), 'Q4_0')).rejects.toThrow(
      EngineError,
    )
    const names = await readdir(folder)
    expect(names.filter((name) => name.startsWith('out') || name.endsWith('.part'))).toEqual([])
  })

  it('behaviour: stops when aborted and leaves nothing behind', async () => {
    const output = join(folder, 'aborted.gguf')
    const controller = new AbortController()
    const work = quantise(ACORN, output, 'Q4_K_M', { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 60)
    await expect(work).rejects.toThrow('enough')
    expect((await readdir(folder)).filter((name) => name.startsWith('aborted'))).toEqual([])
  })
})
