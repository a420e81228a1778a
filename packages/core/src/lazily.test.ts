import { describe, expect, it } from 'vitest'
import { lazily } from './lazily.ts'

describe('lazily', () => {
  it('default: loads once, when it is first asked', async () => {
    let loads = 0
    const adder = lazily(async () => {
      loads++
      return { add: async (a: number, b: number) => a + b }
    })
    expect(loads).toBe(0)
    expect(await Promise.all([adder.add(1, 2), adder.add(3, 4)])).toEqual([3, 7])
    expect(loads).toBe(1)
    expect(adder.add).toBe(adder.add)
    // No promise: it can be handed out by an async function.
    expect(await Promise.resolve(adder)).toBe(adder)
  })

  it('behaviour: what failed to load is tried again', async () => {
    let isBroken = true
    const service = lazily(async () => {
      if (isBroken) throw new Error('not now')
      return { name: async () => 'here' }
    })
    await expect(service.name()).rejects.toThrow('not now')
    isBroken = false
    expect(await service.name()).toBe('here')
  })
})
