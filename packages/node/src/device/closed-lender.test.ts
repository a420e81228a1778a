import { type Clock, systemClock } from '@freehold/core/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTown, type Town, toyEngine } from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(() => town[Symbol.asyncDispose]())

/** Knows who still waits for it. */
function watchedClock(): { clock: Clock; waiting: Set<string> } {
  const waiting = new Set<string>()
  let count = 0
  return {
    waiting,
    clock: {
      now: () => systemClock.now(),
      after: (ms, fn) => {
        const name = `${count++}: ${ms} ms`
        waiting.add(name)
        const cancel = systemClock.after(ms, () => {
          waiting.delete(name)
          fn()
        })
        return () => {
          waiting.delete(name)
          cancel()
        }
      },
    },
  }
}

describe('a lender that is closed', () => {
  it('default: leaves no timer behind, so its process can end', async () => {
    const { clock, waiting } = watchedClock()
    const lender = await town.lender({ device: { engine: toyEngine(), clock } })
    expect(waiting.size).toBeGreaterThan(0)
    await lender.device[Symbol.asyncDispose]()
    expect([...waiting]).toEqual([])
    // Whoever stops lending later finds it stopped.
    await lender.lending[Symbol.asyncDispose]()
  })
})
