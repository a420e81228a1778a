import { describe, expect, it } from 'vitest'
import { runCampaign } from './campaign.ts'
import { planKills } from './plan.ts'

describe('a crash campaign', () => {
  it('default: real kills cost nobody anything', { timeout: 300_000 }, async () => {
    const seed = 'npm test'
    const tally = await runCampaign({ seed, kills: 6, nativeEvery: 0, jobs: 1 })
    expect(tally.problems).toEqual([])
    expect(tally).toMatchObject({ unitsLost: 0, unitsChargedTwice: 0, answersWrong: 0, stuck: 0 })
    expect(tally.kills).toBeGreaterThanOrEqual(6)
    expect(tally.answers).toBeGreaterThan(6)
  })

  it('behaviour: who is killed where follows from the seed', () => {
    const plan = planKills('1', 100, 'llama')
    expect(planKills('1', 100, 'llama')).toEqual(plan)
    expect(planKills('2', 100, 'llama')).not.toEqual(plan)
    expect(new Set(plan.map(({ who }) => who)).size).toBe(4)
    expect(new Set(plan.map(({ death }) => death.by)).size).toBe(4)
  })
})
