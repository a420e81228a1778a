import { describe, expect, it } from 'vitest'
import {
  createBoundedDatastore,
  MAX_KNOWN_PEERS,
  MAX_PROVIDER_RECORDS,
  MAX_PROVIDERS_OF_MODEL,
  MAX_RECORDS_OF_PROVIDER,
} from './bounded-datastore.ts'

type Key = Parameters<ReturnType<typeof createBoundedDatastore>['get']>[0]

const SELF = 'self'
const VALUE = Uint8Array.of(1)
const keyOf = (path: string) => ({ toString: () => path }) as unknown as Key
const record = (model: number | string, provider: number | string) =>
  keyOf(`/dht/provider/m${model}/${provider}`)

function createStore() {
  const store = createBoundedDatastore(SELF)
  const count = async (prefix: string) => {
    let found = 0
    for await (const _ of store.query({ prefix })) found++
    return found
  }
  return { store, count }
}

describe('what strangers can make a device remember', () => {
  it('default: keeps, counts and forgets', async () => {
    const { store, count } = createStore()
    await store.put(record(1, 'a'), VALUE)
    await store.put(record(1, 'a'), Uint8Array.of(2))
    expect(await store.get(record(1, 'a'))).toEqual(Uint8Array.of(2))
    expect(await count('/dht/provider')).toBe(1)
    await store.delete(record(1, 'a'))
    expect(await store.has(record(1, 'a'))).toBe(false)
    expect(() => store.get(record(1, 'a'))).toThrow(
      expect.objectContaining({ name: 'NotFoundError' }),
    )
  })

  it('behaviour: lenders of one model, and models of one lender, are limited; the oldest goes', async () => {
    const { store, count } = createStore()
    await store.put(record(1, SELF), VALUE)
    for (let i = 0; i < 3 * MAX_PROVIDERS_OF_MODEL; i++) await store.put(record(1, i), VALUE)
    expect(await count('/dht/provider/m1')).toBe(MAX_PROVIDERS_OF_MODEL)
    expect(await store.has(record(1, SELF))).toBe(true)
    expect(await store.has(record(1, 0))).toBe(false)
    for (let i = 0; i < 3 * MAX_RECORDS_OF_PROVIDER; i++) {
      await store.put(record(`x${i}`, 'greedy'), VALUE)
    }
    let left = 0
    for (let i = 0; i < 3 * MAX_RECORDS_OF_PROVIDER; i++) {
      if (await store.has(record(`x${i}`, 'greedy'))) left++
    }
    expect(left).toBe(MAX_RECORDS_OF_PROVIDER)
  })

  it('behaviour: a flood of records and of devices ends at the limit', async () => {
    const { store, count } = createStore()
    await store.put(record('mine', SELF), VALUE)
    for (let i = 0; i < MAX_PROVIDER_RECORDS + 500; i++) await store.put(record(i, `p${i}`), VALUE)
    for (let i = 0; i < MAX_KNOWN_PEERS + 500; i++) await store.put(keyOf(`/peers/${i}`), VALUE)
    expect(await count('/dht/provider')).toBe(MAX_PROVIDER_RECORDS)
    expect(await count('/peers/')).toBe(MAX_KNOWN_PEERS)
    expect(await store.has(record('mine', SELF))).toBe(true)
  })
})
