import { describe, expect, it } from 'vitest'
import { seededDice } from '../../packages/node/src/demo/dice.ts'
import { median } from '../median.ts'
import { BUCKET, simulateLookups } from './lookup-simulation.ts'

const run = (devices: number, replaced = 0, seed = 'a') =>
  simulateLookups({ devices, lookups: 60, replaced, dice: seededDice(seed) })

describe('simulateLookups', () => {
  it('default: every look-up finds a lender, in steps that grow as the logarithm', () => {
    const [few, many] = [run(100), run(3_000)]
    expect([few.found, many.found]).toEqual([1, 1])
    for (const [devices, { hops }] of [[100, few] as const, [3_000, many] as const]) {
      expect(Math.max(...hops)).toBeLessThanOrEqual(Math.log2(devices))
    }
    expect(median(many.hops)).toBeGreaterThanOrEqual(median(few.hops))
  })

  it('behaviour: where everybody remembers it nobody is asked', () => {
    expect(run(BUCKET)).toEqual({ found: 1, messages: Array(60).fill(0), hops: Array(60).fill(0) })
  })

  it('behaviour: of a network that is gone but for its newcomers nothing is found', () => {
    const { found } = run(100, 1)
    expect(found).toBe(0)
  })

  it('behaviour: where a third are gone nearly all look-ups succeed, where nine of ten are, fewer', () => {
    expect(run(1_000, 0.3).found).toBeGreaterThan(0.95)
    expect(run(1_000, 0.9).found).toBeLessThan(0.95)
  })

  it('behaviour: a seed says everything', () => {
    expect(run(200, 0.1)).toEqual(run(200, 0.1))
    expect(run(200, 0.1)).not.toEqual(run(200, 0.1, 'b'))
  })
})
