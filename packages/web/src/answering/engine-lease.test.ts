import { afterEach, describe, expect, it } from 'vitest'
import { createEngineLease, type EngineLease } from './engine-lease.ts'

const open: EngineLease[] = []
afterEach(() => {
  for (const lease of open.splice(0)) lease[Symbol.dispose]()
})

/** A tab: Node has the same locks and channels as browsers. */
function tab() {
  const self = { isBusy: false, letGo: 0 }
  const lease = createEngineLease({
    isBusy: () => self.isBusy,
    letGo: async () => {
      self.letGo++
    },
  })
  open.push(lease)
  return Object.assign(self, { lease })
}

describe('engine lease', () => {
  it('default: the first tab has it, and keeps it', async () => {
    const one = tab()
    expect(await one.lease.isHeld()).toBe(false)
    expect(await one.lease.take()).toBe(true)
    expect(await one.lease.take()).toBe(true)
    expect(await one.lease.isHeld()).toBe(true)
    expect(one.letGo).toBe(0)
  })

  it('behaviour: an idle tab lets go of the device before another has it', async () => {
    const [one, two] = [tab(), tab()]
    await one.lease.take()
    expect(await two.lease.take()).toBe(true)
    expect([one.letGo, two.letGo]).toEqual([1, 0])
    expect(await one.lease.take()).toBe(true)
    expect([one.letGo, two.letGo]).toEqual([1, 1])
  })

  it('behaviour: a tab that writes keeps it, unless it is told to give it', async () => {
    const [one, two] = [tab(), tab()]
    await one.lease.take()
    one.isBusy = true
    expect(await two.lease.take()).toBe(false)
    expect(one.letGo).toBe(0)
    expect(await two.lease.take('force')).toBe(true)
    expect(one.letGo).toBe(1)
    // What it wrote has ended, so the other way round it is asked too.
    two.isBusy = true
    expect(await one.lease.take()).toBe(false)
  })

  it('behaviour: a tab that is closed frees it', async () => {
    const [one, two] = [tab(), tab()]
    await one.lease.take()
    one.lease[Symbol.dispose]()
    expect(await two.lease.take()).toBe(true)
    expect(await two.lease.isHeld()).toBe(true)
  })

  it('behaviour: a tab that sleeps answers nobody, and loses it to whoever insists', async () => {
    const sleeping = Promise.withResolvers<void>()
    const lock = navigator.locks.request('freehold-engine', () => sleeping.promise)
    const one = tab()
    try {
      expect(await one.lease.take('force')).toBe(true)
      await expect(lock).rejects.toThrow()
    } finally {
      sleeping.resolve()
    }
  }, 20_000)
})
