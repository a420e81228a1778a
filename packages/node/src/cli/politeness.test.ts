import { describe, expect, it } from 'vitest'
import { politenessOf } from './politeness.ts'

describe('politenessOf', () => {
  it('default: without a word there is no condition', () => {
    expect(politenessOf({}, {})).toEqual({})
  })

  it('behaviour: an option goes before the same setting', () => {
    const settings = { when: ['idle' as const], hours: '22:00-07:00', maxTemperature: 70 }
    expect(politenessOf(settings, {})).toEqual({
      idle: { afterMs: 300_000 },
      hours: [1_320, 420],
      maxTemperature: 70,
    })
    expect(politenessOf(settings, { when: 'idle,mains', idleAfter: '10s' })).toMatchObject({
      idle: { afterMs: 10_000 },
      mains: true,
    })
  })

  it.each([
    [{}, { when: 'sometimes' }],
    [{}, { when: 'idle', idleAfter: 'soon' }],
    [{}, { hours: '25:00-26:00' }],
    [{}, { hours: '7:00-7:00' }],
    [{ maxTemperature: -3 }, {}],
    [{ maxTemprature: 70 } as never, {}],
  ])('behaviour: %j with %j makes no sense', (settings, options) => {
    expect(() => politenessOf(settings, options)).toThrow(
      expect.objectContaining({ name: 'UsageError' }),
    )
  })
})
