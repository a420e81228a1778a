import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  type CatalogueModel,
  catalogueSize,
  markCatalogue,
  offerModel,
  readCatalogue,
  writeCatalogue,
} from './catalogue.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-catalogue-'))
afterAll(() => rm(folder, { recursive: true }))

const ASK = { contextTokens: 2_048, sequences: 1 }
const builtIn = await readCatalogue(join(folder, 'none.json'))

describe('readCatalogue', () => {
  it('default: lists open models, the smallest first, each once', () => {
    expect(builtIn.length).toBeGreaterThanOrEqual(8)
    expect(builtIn.length).toBeLessThanOrEqual(12)
    expect(new Set(builtIn.map(({ name }) => name)).size).toBe(builtIn.length)
    const sizes = builtIn.map(({ parameters }) => parameters)
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b))
    for (const { licence } of builtIn) expect(['Apache-2.0', 'MIT']).toContain(licence)
  })

  it('behaviour: a person’s own list replaces it, and is never overwritten', async () => {
    const own = join(folder, 'config', 'catalogue.json')
    await writeCatalogue(own)
    expect(await readCatalogue(own)).toEqual(builtIn)
    const [first] = JSON.parse(await readFile(own, 'utf8')) as CatalogueModel[]
    await writeFile(own, JSON.stringify([{ ...first, name: 'mine' }]))
    expect((await readCatalogue(own)).map(({ name }) => name)).toEqual(['mine'])
    await expect(writeCatalogue(own)).rejects.toThrow(/is there already/)
  })

  it('behaviour: a list with a mistake says where', async () => {
    const wrong = join(folder, 'wrong.json')
    for (const text of [
      '{',
      '[{"name":"x"}]',
      JSON.stringify([{ ...builtIn[0], parameters: -1 }]),
    ]) {
      await writeFile(wrong, text)
      await expect(readCatalogue(wrong)).rejects.toMatchObject({ name: 'UsageError' })
    }
    await expect(readCatalogue(wrong)).rejects.toThrow(/parameters/)
  })
})

describe('markCatalogue', () => {
  it('default: with less memory, less fits and coarser', () => {
    const [much, some, little] = [1e12, 3e9, 1e8].map((free) => markCatalogue(builtIn, ASK, free))
    expect(
      much?.every(({ mark, quantisation }) => mark === 'fits' && quantisation === 'Q8_0'),
    ).toBe(true)
    expect(new Set(some?.map(({ mark }) => mark))).toEqual(new Set(['fits', 'tight', 'too big']))
    expect(
      little?.every(({ mark, quantisation }) => mark === 'too big' && quantisation === null),
    ).toBe(true)
  })

  it('behaviour: offers the largest that fits well, and the bundled one offline', () => {
    const marked = markCatalogue(builtIn, ASK, 3e9)
    const offered = offerModel(marked, true)
    expect(offered?.mark).toBe('fits')
    const larger = marked.filter(({ parameters }) => parameters > (offered?.parameters ?? 0))
    expect(larger.every(({ mark }) => mark !== 'fits')).toBe(true)
    expect(offerModel(marked, false)).toBeNull()
    expect(offerModel(markCatalogue(builtIn, ASK, 1e6), true)).toBeNull()
  })

  it('behaviour: sizes are near those of real files', () => {
    // Qwen3-8B of the Qwen team: 4.68 GiB in Q4_K_M and 8.11 GiB in Q8_0.
    const model = builtIn.find(({ name }) => name === 'qwen3-8b') as CatalogueModel
    expect(catalogueSize(model, 'Q4_K_M') / (4.68 * 2 ** 30)).toBeCloseTo(1, 1)
    expect(catalogueSize(model, 'Q8_0') / (8.11 * 2 ** 30)).toBeCloseTo(1, 1)
  })
})
