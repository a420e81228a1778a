import { describe, expect, it } from 'vitest'
import type { Clock } from '../platform.ts'
import { createMemoryStorage } from '../storage.memory.ts'
import { createPeerBook, MAX_CONTACT_ADDRESSES, MAX_CONTACTS } from './peer-book.ts'
import type { ContactRecord } from './records.ts'

const device = (number: number) => {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, number)
  return key
}

const SELF = 'ff'.repeat(32)

function createBook() {
  const time = { nowMs: 1_000_000 }
  const clock: Clock = { now: () => time.nowMs, after: () => () => {} }
  const table = createMemoryStorage().table<ContactRecord>('contacts')
  return { book: createPeerBook(table, { clock, self: SELF }), table, time, clock }
}

describe('the peer book', () => {
  it('default: remembers where a device proved its key, and where it says it is', async () => {
    const { book, time } = createBook()
    await book.met(device(1), { address: '/a', says: ['/b'], name: 'desk' })
    time.nowMs += 3_600_000
    await book.met(device(1), { address: '/b' })
    const [row] = await book.contacts()
    expect(row?.name).toBe('desk')
    expect(row?.addresses).toEqual([
      { address: '/b', seenAtMs: 4_600_000, metAtMs: 4_600_000 },
      { address: '/a', seenAtMs: 1_000_000, metAtMs: 1_000_000 },
    ])
  })

  it('behaviour: is full at its limit; who was not seen for longest goes, also after a restart', async () => {
    const { book, table, time, clock } = createBook()
    for (let i = 0; i < MAX_CONTACTS; i++, time.nowMs++)
      await book.met(device(i), { address: '/a' })
    const again = createPeerBook(table, { clock, self: SELF })
    time.nowMs += 3_600_000
    await again.met(device(0), { address: '/a' })
    await again.met(device(MAX_CONTACTS), { address: '/a' })
    const kept = (await again.contacts()).map((row) => row.device)
    expect(kept.length).toBe(MAX_CONTACTS)
    expect(kept.some((one) => one.startsWith('00000000'))).toBe(true)
    expect(kept.some((one) => one.startsWith('00000001'))).toBe(false)
  })

  it('behaviour: notes where this device is itself, as nobody to find back by', async () => {
    const { book, table } = createBook()
    await book.here(['/here'])
    expect(await book.contacts()).toEqual([])
    expect((await table.get(SELF))?.addresses).toMatchObject([{ address: '/here' }])
  })

  it('behaviour: a device that says it is everywhere crowds out nothing that is proven', async () => {
    const { book, time } = createBook()
    await book.met(device(1), { address: '/proven' })
    time.nowMs += 3_600_000
    const says = Array.from({ length: 100 }, (_, i) => `/said/${i}`)
    await book.met(device(1), { address: '/other', says })
    const [row] = await book.contacts()
    expect(row?.addresses.length).toBe(MAX_CONTACT_ADDRESSES)
    expect(row?.addresses.slice(0, 2).map(({ address }) => address)).toEqual(['/other', '/proven'])
  })
})
