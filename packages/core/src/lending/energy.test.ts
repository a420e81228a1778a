import { describe, expect, it } from 'vitest'
import { createEnergyMeter } from './energy.ts'

function start() {
  let joules: number | null = 1_000
  const meter = createEnergyMeter({ source: 'rapl', read: async () => joules })
  return { meter, take: (more: number | null) => (joules = more && (joules ?? 0) + more) }
}

describe('createEnergyMeter', () => {
  it('default: an answer alone has all of it', async () => {
    const { meter, take } = start()
    const end = await meter.begin()
    take(30)
    expect(await end()).toEqual({ joules: 30, source: 'rapl' })
  })

  it('behaviour: answers that run at once share it, and what they have adds up', async () => {
    const { meter, take } = start()
    const one = await meter.begin()
    take(10)
    const other = await meter.begin()
    take(20)
    expect(await one()).toMatchObject({ joules: 20 })
    take(5)
    expect(await other()).toMatchObject({ joules: 15 })
  })

  it('behaviour: a machine that does not tell, or stops telling, gives no figure', async () => {
    expect(await (await createEnergyMeter(null).begin())()).toBeNull()
    const { meter, take } = start()
    const end = await meter.begin()
    take(null)
    expect(await end()).toBeNull()
  })
})
