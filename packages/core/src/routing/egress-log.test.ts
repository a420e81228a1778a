import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../platform.ts'
import { createMemoryStorage } from '../storage.memory.ts'
import type { Table } from '../storage.ts'
import { createEgressLog, type Departure, type EgressEntry } from './egress-log.ts'

const clock: Clock = { now: () => 1_800_000_000_000, after: () => () => {} }

function departure(n: number): Departure {
  return {
    digest: String(n).padStart(64, '0'),
    sizeBytes: n,
    to: 'ab'.repeat(32),
    scope: 'market',
    why: 'it needs 40 GB of memory',
    priceUnits: '12',
  }
}

function createTable(): Table<EgressEntry> {
  return createMemoryStorage().table<EgressEntry>('egress')
}

async function filledTable(count: number): Promise<Table<EgressEntry>> {
  const table = createTable()
  const log = createEgressLog(table, clock)
  for (let n = 0; n < count; n++) await log.append(departure(n))
  return table
}

/** Names of the rows in order, without the head. */
async function keysOf(table: Table<EgressEntry>): Promise<string[]> {
  return (await table.list()).map(([key]) => key).filter((key) => key !== 'head')
}

describe('egress log', () => {
  it('default: keeps what was appended, in order', async () => {
    const log = createEgressLog(await filledTable(3), clock)
    const entries = await log.entries()
    expect(entries.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(entries[2]).toMatchObject(departure(2))
    expect(entries[2]?.previous).toBe(entries[1]?.hash)
    expect(await log.verify()).toBeNull()
  })

  it('behaviour: an empty log holds', async () => {
    expect(await createEgressLog(createTable(), clock).verify()).toBeNull()
  })

  it('behaviour: goes on where it stopped', async () => {
    const table = await filledTable(2)
    const entry = await createEgressLog(table, clock).append(departure(9))
    expect(entry.index).toBe(2)
    expect(await createEgressLog(table, clock).verify()).toBeNull()
  })

  it('behaviour: every change of an entry is found where it is', async () => {
    const changes: Partial<EgressEntry>[] = [
      { digest: 'ff'.repeat(32) },
      { sizeBytes: 99 },
      { to: 'cd'.repeat(32) },
      { scope: 'friends' },
      { why: 'you asked for a peer' },
      { priceUnits: '11' },
      { timeMs: 5 },
      { previous: '11'.repeat(32) },
      { hash: '22'.repeat(32) },
      { index: 7 },
    ]
    for (const change of changes) {
      for (const at of [0, 1, 2]) {
        const table = await filledTable(3)
        const key = (await keysOf(table))[at] as string
        await table.update(key, (old) => old && { ...old, ...change })
        expect(await createEgressLog(table, clock).verify()).toBe(at)
      }
    }
  })

  it('behaviour: removed entries are found, the last one too', async () => {
    for (const at of [0, 1, 2]) {
      const table = await filledTable(3)
      await table.update((await keysOf(table))[at] as string, () => undefined)
      expect(await createEgressLog(table, clock).verify()).toBe(at)
    }
    const table = await filledTable(1)
    await table.update('head', () => undefined)
    expect(await createEgressLog(table, clock).verify()).toBe(1)
  })

  it('behaviour: going on covers up no change', async () => {
    const table = await filledTable(2)
    await table.update((await keysOf(table))[1]!, (old) => old && { ...old, why: 'other' })
    await createEgressLog(table, clock).append(departure(2))
    expect(await createEgressLog(table, clock).verify()).toBe(1)
  })

  it('behaviour: entries that changed places are found', async () => {
    const table = await filledTable(3)
    const [a, b] = (await keysOf(table)) as [string, string]
    const [first, second] = [await table.get(a), await table.get(b)]
    await table.update(a, () => second)
    await table.update(b, () => first)
    expect(await createEgressLog(table, clock).verify()).toBe(0)
  })

  it('behaviour: bytes cannot be moved from one field to the next', async () => {
    const table = createTable()
    const log = createEgressLog(table, clock)
    await log.append({ ...departure(1), why: 'ab', priceUnits: '1' })
    await table.update((await keysOf(table))[0] as string, (old) => old && { ...old, why: 'a' })
    expect(await log.verify()).toBe(0)
  })

  it('behaviour: nothing is lost when several write at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2), { minLength: 1, maxLength: 30 }), async (writers) => {
        const table = createTable()
        // As many processes as there are logs: they share nothing but the table.
        const logs = [0, 1, 2].map(() => createEgressLog(table, clock))
        await Promise.all(writers.map((writer, n) => logs[writer]!.append(departure(n))))
        const entries = await createEgressLog(table, clock).entries()
        const seen = entries.map(({ sizeBytes }) => sizeBytes).sort((a, b) => a - b)
        expect(seen).toEqual(writers.map((_, n) => n))
        expect(await logs[0]?.verify()).toBeNull()
      }),
      { numRuns: 40 },
    )
  })

  it('behaviour: a writer that died half-way loses nothing', async () => {
    const table = await filledTable(2)
    const dying: Table<EgressEntry> = {
      ...table,
      update: async (key, change) => {
        if (key !== 'head') throw new Error('killed')
        return table.update(key, change)
      },
    }
    await expect(createEgressLog(dying, clock).append(departure(2))).rejects.toThrow('killed')
    const log = createEgressLog(table, clock)
    expect(await log.verify()).toBe(2)
    await log.append(departure(3))
    expect((await log.entries()).map(({ sizeBytes }) => sizeBytes)).toEqual([0, 1, 2, 3])
    expect(await log.verify()).toBeNull()
  })
})

describe('what was replaced', () => {
  const redacted = { mail: 2, phone: 1 }

  it('default: is in the log by kind and number, under the hash', async () => {
    const table = createTable()
    const log = createEgressLog(table, clock)
    await log.append(departure(0))
    await log.append({ ...departure(1), redacted })
    await log.append({ ...departure(2), redacted: {} })
    const entries = await log.entries()
    expect(entries.map((entry) => entry.redacted)).toEqual([undefined, redacted, undefined])
    expect(await log.verify()).toBeNull()
    for (const change of [{ redacted: { mail: 1, phone: 1 } }, { redacted: undefined }]) {
      const key = (await keysOf(table))[1] as string
      const before = await table.get(key)
      await table.update(key, (old) => old && { ...old, ...change })
      expect(await log.verify()).toBe(1)
      await table.put(key, before as EgressEntry)
    }
    const [first] = await keysOf(table)
    await table.update(first as string, (old) => old && { ...old, redacted })
    expect(await log.verify()).toBe(0)
  })

  it('behaviour: rows of the first version hold as they are', async () => {
    const log = createEgressLog(createTable(), clock)
    const { hash } = await log.append(departure(3))
    // Written down before anything could be replaced.
    expect(hash).toBe('eeeca44ddeb763423892be9a856ee11407be752295404580a5adae074a14d5c1')
  })
})
