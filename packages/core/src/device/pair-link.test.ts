import { describe, expect, it } from 'vitest'
import { isPairLink, makePairLink, readPairLink } from './pair-link.ts'

const link = {
  code: 'K7QM-2XPD',
  as: 'own' as const,
  addresses: ['/ip4/192.168.1.7/tcp/4215/p2p/12D3KooWA', '/ip6/::1/tcp/1/ws/p2p/12D3KooWA'],
}

describe('pairing links', () => {
  it('default: say code, kind and addresses', () => {
    const text = makePairLink(link)
    expect(text).toMatch(/^freehold:pair\/K7QM-2XPD\?as=own&at=%2Fip4/)
    expect(isPairLink(text)).toBe(true)
    expect(readPairLink(`  ${text}\n`)).toEqual(link)
  })

  it('behaviour: anything else is refused', () => {
    const wrong = [
      'K7QM-2XPD',
      'https://example.org/pair/K7QM-2XPD?as=own&at=x',
      'freehold:pair/K7QM-2XPD',
      'freehold:pair/K7QM-2XPD?as=own',
      'freehold:pair/K7QM-2XPD?as=boss&at=x',
      'freehold:pair/short?as=own&at=x',
    ]
    for (const text of wrong) expect(() => readPairLink(text)).toThrow(/no pairing (link|code)/)
  })
})
