import { describe, expect, it } from 'vitest'
import { createRelayLimit, FREE_ORDERS, OPENINGS, PAID_ORDERS } from './relay-limit.ts'

function limitOf(limits: typeof OPENINGS) {
  let now = 0
  const limit = createRelayLimit(limits, { now: () => now, after: () => () => {} })
  return { take: (device: string) => limit.take(device), pass: (ms: number) => (now += ms) }
}

describe('relay limit', () => {
  it.each(Object.entries({ OPENINGS, PAID_ORDERS, FREE_ORDERS }))(
    'default: %s: so many for a device, so many an hour for all',
    (_, limits) => {
      const { take, pass } = limitOf(limits)
      for (let i = 0; i < limits.perDevice; i++) take('one')
      expect(() => take('one')).toThrow(limits.tooSoon)
      for (let i = limits.perDevice; i < limits.perHour; i++) take(`other ${i}`)
      expect(() => take('the last')).toThrow(/within the hour/)
      pass(3_600_000)
      take('one')
    },
  )

  it('behaviour: what cost no gas counts for its device, and not for all', () => {
    const { take, pass } = limitOf(OPENINGS)
    for (let i = 0; i < OPENINGS.perHour; i++) take(`free ${i}`)()
    expect(() => take('free 0')).toThrow(OPENINGS.tooSoon)
    take('paid')
    pass(OPENINGS.windowMs)
    take('free 0')
  })

  it('behaviour: keys cost nothing, so what costs no gas has an end too', () => {
    const { take } = limitOf(OPENINGS)
    for (let i = 0; i < 10 * OPENINGS.perHour; i++) take(`free ${i}`)()
    expect(() => take('one more')).toThrow(/within the hour/)
  })
})
