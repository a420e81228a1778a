import type { Device } from '@freehold/core/device/device'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTown, question, type Town, toyEngine } from '../device/town.fixture.ts'
import { keepTending } from './tend-channels.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(() => town[Symbol.asyncDispose]())

const WITHIN = { timeout: 60_000, interval: 50 }

async function deposits({ tables }: Device): Promise<bigint[]> {
  return (await tables.channels.list()).map(([, { deposit }]) => deposit)
}

describe('keepTending', () => {
  it('default: opens what the owner names, fills up what is spent, and ends with its signal', async () => {
    const lender = await town.lender({ device: { engine: toyEngine() } })
    const [address = ''] = lender.lending.addresses()
    const warm = { total: 10_000n, perLender: 600n, channels: 2, lenders: [address] }
    const { device } = await town.inhabitant({ engine: toyEngine(), warm })
    const stop = new AbortController()
    const tending = keepTending(device, { signal: stop.signal, everyMs: 100 })
    await vi.waitFor(async () => expect(await deposits(device)).toEqual([600n]), WITHIN)
    // It is filled up as soon as less than half is left.
    for (let i = 0; i < 20 && (await deposits(device))[0] === 600n; i++) {
      await (await device.complete(question())).settled
      await device.borrowing.idle()
    }
    await vi.waitFor(async () => {
      const [deposit = 0n] = await deposits(device)
      expect(deposit).toBeGreaterThan(600n)
    }, WITHIN)
    stop.abort()
    await tending
    // One channel all along: what was spent was put in again.
    expect(await deposits(device)).toHaveLength(1)
  })

  it('behaviour: a lender that cannot be reached holds up nobody', async () => {
    const lender = await town.lender({ device: { engine: toyEngine() } })
    const [address = ''] = lender.lending.addresses()
    const lenders = ['/ip4/127.0.0.1/tcp/1', address]
    const warm = { total: 10_000n, perLender: 600n, channels: 2, lenders }
    const { device } = await town.inhabitant({ engine: toyEngine(), warm })
    const stop = new AbortController()
    const tending = keepTending(device, { signal: stop.signal, everyMs: 60_000 })
    await vi.waitFor(async () => expect(await deposits(device)).toEqual([600n]), WITHIN)
    stop.abort()
    await tending
  })
})
