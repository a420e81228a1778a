import { describe, expect, it } from 'vitest'
import { createStreamLimits } from './stream-limits.ts'

describe('createStreamLimits', () => {
  it('default: one device has so many, all together so many, and what ended counts no more', () => {
    const limits = createStreamLimits({ streamsPerDevice: 2, streamsInAll: 3 })
    const enter = (device: string) => limits.enter(device)
    const leave = enter('a')
    enter('a')
    expect(() => enter('a')).toThrow(/too many streams/)
    enter('b')
    expect(() => enter('c')).toThrow(/too many streams/)
    leave()
    enter('c')
    expect(() => enter('a')).toThrow(/too many streams/)
  })
})
