import { IdentityError } from '@freehold/core/errors'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { createMemoryStorage } from '@freehold/core/storage.memory'
import { describe, expect, it } from 'vitest'
import { openKeyRing } from './key-ring.ts'

/** Argon2id takes what it takes. */
const TEST_MS = 120_000
const PASSPHRASE = 'a long passphrase'

describe('key ring', { timeout: TEST_MS }, () => {
  it('default: a phrase is kept locked, opened by its passphrase, and forgotten for good', async () => {
    const storage = createMemoryStorage()
    const keys = { phrase: createPhrase(systemRandom), deviceIndex: 7 }
    const ring = await openKeyRing(storage)
    expect([ring.state.value, ring.keys()]).toEqual(['none', null])
    await ring.keep(keys, PASSPHRASE)
    expect([ring.state.value, ring.keys()]).toEqual(['locked', null])
    const row = await storage.table<{ vault: object }>('keys').get('owner')
    expect(JSON.stringify(row)).not.toContain(keys.phrase.slice(0, 20))

    const next = await openKeyRing(storage)
    expect(next.state.value).toBe('locked')
    await expect(next.unlock('another passphrase')).rejects.toThrow(IdentityError)
    expect(next.keys()).toBeNull()
    await next.unlock(PASSPHRASE)
    expect([next.state.value, next.keys()]).toEqual(['open', keys])
    next.lock()
    expect([next.state.value, next.keys()]).toEqual(['locked', null])
    await next.forget()
    expect(next.state.value).toBe('none')
    expect((await openKeyRing(storage)).state.value).toBe('none')
    await next.unlock(PASSPHRASE)
    expect(next.keys()).toBeNull()
  })

  it('behaviour: no phrase, no keys; and two tabs keep one phrase', async () => {
    const storage = createMemoryStorage()
    const [one, two] = [await openKeyRing(storage), await openKeyRing(storage)]
    const bad = { phrase: 'twenty four words that are none', deviceIndex: 0 }
    await expect(one.keep(bad, PASSPHRASE)).rejects.toThrow()
    expect(one.state.value).toBe('none')
    const phrases = [createPhrase(systemRandom), createPhrase(systemRandom)]
    await one.keep({ phrase: phrases[0] ?? '', deviceIndex: 0 }, PASSPHRASE)
    const second = two.keep({ phrase: phrases[1] ?? '', deviceIndex: 0 }, PASSPHRASE)
    await expect(second).rejects.toThrow('there are keys on this device already')
    await one.unlock(PASSPHRASE)
    expect(one.keys()?.phrase).toBe(phrases[0])
  })
})
