import { expect, it } from 'vitest'
import { compareRounds, createPrompts, type Round } from './compare-servers.ts'

const ROUND: Round = {
  prefillPerSecond: 100,
  decodePerSecond: 10,
  firstMs: 50,
  streamsPerSecond: 40,
  slowestPerSecond: 4,
}

it('default: ratios are taken within each pair, so that what slows both counts for neither', () => {
  const slow = { ...ROUND, decodePerSecond: 2 }
  const own = [ROUND, slow, ROUND].map((round) => ({
    ...round,
    decodePerSecond: round.decodePerSecond * 1.1,
  }))
  const { decodePerSecond, firstTokenMs } = compareRounds({ own, peer: [ROUND, slow, ROUND] })
  expect(decodePerSecond).toEqual({ own: 11, llamaServer: 10, ratio: 1.1, ratios: [1.1, 1.1, 1.1] })
  expect(firstTokenMs.ratio).toBe(1)
})

it('behaviour: prompts of a round differ from each other and from those of others at once', () => {
  const all = [0, 1, 2, 3].flatMap((round) => {
    const prompts = createPrompts(200, round)
    return [24, 25, 33, 384].map((tokens) => prompts(tokens))
  })
  // Eight tokens in common are worth reusing.
  expect(new Set(all.map((ids) => ids.slice(0, 8).join())).size).toBe(all.length)
  expect(all.flat().every((id) => id >= 0 && id < 200)).toBe(true)
  expect(createPrompts(200, 1)(24)).toEqual(createPrompts(200, 1)(24))
})
