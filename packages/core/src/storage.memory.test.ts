import { describe, expect, it } from 'vitest'
import { storageCompliance } from './storage.compliance.ts'
import { createMemoryStorage } from './storage.memory.ts'
import { existing } from './storage.ts'

storageCompliance('memory', createMemoryStorage)

describe('memory storage', () => {
  it('default: forgets when it is closed', async () => {
    const storage = createMemoryStorage()
    await storage.table('rows').update('a', () => 1)
    await storage[Symbol.asyncDispose]()
    expect(await storage.table('rows').get('a')).toBeUndefined()
  })
})

describe('existing', () => {
  it('default: names the row that is missing', () => {
    expect(existing(0, 'n')).toBe(0)
    expect(() => existing(undefined, 'the channel')).toThrow(/the channel/)
  })
})
