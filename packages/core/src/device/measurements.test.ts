import { describe, expect, it } from 'vitest'
import { createMemoryStorage } from '../storage.memory.ts'
import {
  brokenOf,
  createMeasurements,
  HALF_LIFE_MS,
  type Measurement,
  speedOf,
} from './measurements.ts'
import type { Tables } from './parts.ts'

function create() {
  let nowMs = 1_700_000_000_000
  const clock = { now: () => nowMs, after: () => () => {} }
  const table = createMemoryStorage().table<Measurement>('measurements')
  const tables = { measurements: table } as unknown as Tables
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { pass, table, measurements: createMeasurements({ tables, clock }) }
}

const whole = (tokenMs: number) =>
  ({ end: 'whole', connectMs: 30, readyMs: 10, firstTokenMs: 400, tokenMs }) as const

describe('createMeasurements', () => {
  it('default: means of what answers showed, by lender and model', async () => {
    const { measurements } = create()
    await measurements.note('a', 'm', whole(20))
    await measurements.note('a', 'm', whole(40))
    await measurements.note('a', 'other', whole(500))
    const found = await measurements.of('a', 'm')
    expect(speedOf(found!)).toEqual({
      speed: { connectMs: 30, readyMs: 10, firstTokenMs: 400, tokensPerSecond: 1_000 / 30 },
      samples: 2,
    })
    expect(found).toMatchObject({ whole: 2, broken: 0, refused: 0 })
    expect(await measurements.of('b', 'm')).toBeUndefined()
  })

  it('behaviour: counts half after its half-life, so that the new outweighs the old', async () => {
    const { measurements, pass } = create()
    for (let i = 0; i < 8; i++) await measurements.note('a', 'm', whole(20))
    pass(HALF_LIFE_MS)
    expect(await measurements.of('a', 'm')).toMatchObject({ whole: 4, tokenMs: { weight: 4 } })
    pass(2 * HALF_LIFE_MS)
    await measurements.note('a', 'm', whole(100))
    const { mean } = (await measurements.of('a', 'm'))!.tokenMs
    expect(mean).toBeCloseTo(60)
  })

  it('behaviour: a clock that is set back makes nothing grow', async () => {
    const { measurements, pass } = create()
    await measurements.note('a', 'm', whole(20))
    pass(-30 * HALF_LIFE_MS)
    expect(await measurements.of('a', 'm')).toMatchObject({ whole: 1 })
  })

  it('behaviour: who was never reached has no speed, and a refusal is less than a fault', async () => {
    const { measurements } = create()
    await measurements.note('a', 'm', { end: 'broken' })
    await measurements.note('a', 'm', { end: 'refused', connectMs: 5 })
    await measurements.note('a', 'm', { end: 'cancelled', connectMs: 5 })
    const found = (await measurements.of('a', 'm'))!
    expect(speedOf(found)).toBeNull()
    expect(found.whole).toBe(0)
    expect(brokenOf(found)).toBe(1.25)
  })

  it('behaviour: a long good past excuses no lender that breaks now', async () => {
    const { measurements } = create()
    for (let i = 0; i < 200; i++) await measurements.note('a', 'm', whole(20))
    for (let i = 0; i < 20; i++) await measurements.note('a', 'm', { end: 'broken' })
    const { whole: good, broken } = (await measurements.of('a', 'm'))!
    expect(broken).toBeGreaterThan(good / 2)
  })

  it('behaviour: the table is bounded, and the oldest go first', async () => {
    const { measurements, table, pass } = create()
    await measurements.note('0', 'm', whole(20))
    const row = (await measurements.of('0', 'm'))!
    for (let i = 0; i < 1_000; i++) await table.put(`${i} m`, { ...row, atMs: row.atMs + i })
    pass(2_000)
    await measurements.note('new', 'm', whole(20))
    expect(await table.list()).toHaveLength(1_000)
    expect(await measurements.of('0', 'm')).toBeUndefined()
    expect(await measurements.of('1', 'm')).toBeDefined()
  })
})
