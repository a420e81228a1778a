import { describe, expect, it } from 'vitest'
import { pause } from './abort.ts'
import { systemClock } from './platform.ts'

const LONG_MS = 3_600_000

describe('pause', () => {
  it('default: ends when its time is over', async () => {
    await expect(pause(systemClock, 1, undefined)).resolves.toBeUndefined()
  })

  it('behaviour: is broken off, also by what was aborted before', async () => {
    const controller = new AbortController()
    const during = pause(systemClock, LONG_MS, controller.signal)
    controller.abort(new Error('enough'))
    await expect(during).rejects.toThrow('enough')
    await expect(pause(systemClock, LONG_MS, controller.signal)).rejects.toThrow('enough')
  })
})
