import { describe, expect, it } from 'vitest'
import { runChaos } from './chaos-run.ts'
import { KINDS, planFaults } from './plan.ts'

describe('a chaos run', () => {
  it('default: a short one loses, doubles, believes and leaves nothing', {
    timeout: 600_000,
  }, async () => {
    const { problems, ...result } = await runChaos({
      ...{ seed: 'npm test', seconds: 20, everyMs: 3_000, totalMs: 8_000 },
      ...{ lenders: 4, borrowers: 2, parallel: 1, say: () => {} },
    })
    const none = { answersWrongUnnoticed: 0, lendersAskedAfterFail: 0, bytesOutOfScope: 0 }
    const money = { unitsLost: 0, unitsChargedTwice: 0, stuck: 0 }
    expect({ ...result, problems }).toMatchObject({ ...none, ...money, devices: 6 })
    expect(result.answers).toBeGreaterThan(2)
    // How soon is no matter of a test: other programs run beside it.
    expect(result.faults.reduce((sum, { tried }) => sum + tried, 0)).toBeGreaterThan(2)
  })

  it('behaviour: what is done when follows from the seed, every kind once at first', () => {
    const plan = planFaults('1', { seconds: 190, everyMs: 5_000 })
    expect(planFaults('1', { seconds: 190, everyMs: 5_000 })).toEqual(plan)
    expect(planFaults('2', { seconds: 190, everyMs: 5_000 })).not.toEqual(plan)
    const first = plan.slice(0, KINDS.length).map(({ kind }) => kind)
    expect(first.toSorted()).toEqual(KINDS.toSorted())
  })
})
