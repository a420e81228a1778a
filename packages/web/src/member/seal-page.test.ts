import { describe, expect, it } from 'vitest'
import { NO_SETTINGS } from './member-settings.ts'
import { policyFor } from './seal-page.ts'

const chain = {
  rpc: ['https://node.example/key', 'http://127.0.0.1:8545/'],
  chainId: 1,
  house: `0x${'11'.repeat(20)}`,
  token: `0x${'22'.repeat(20)}`,
} as const

describe('policy of a page', () => {
  it('default: without keys it asks its own host alone, whatever the settings', () => {
    expect(policyFor(false, NO_SETTINGS)).toBe("connect-src 'self' blob:")
    expect(policyFor(false, { ...NO_SETTINGS, chain })).toBe("connect-src 'self' blob:")
  })

  it('behaviour: with keys other devices too, and the nodes of its chain by their origins', () => {
    expect(policyFor(true, NO_SETTINGS)).toBe("connect-src 'self' blob: ws: wss:")
    expect(policyFor(true, { ...NO_SETTINGS, chain })).toBe(
      "connect-src 'self' blob: ws: wss: https://node.example http://127.0.0.1:8545",
    )
  })

  it('behaviour: hosts of models on their way are added, with keys or without', () => {
    const hosts = ['https://models.example']
    expect(policyFor(false, NO_SETTINGS, hosts)).toBe(
      "connect-src 'self' blob: https://models.example",
    )
  })
})
