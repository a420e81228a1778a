import { describe, expect, it } from 'vitest'
import { fromOutside, inApp, isPairLink, makePairLink, readPairLink } from './pair-link.ts'

const link = {
  code: 'K7QM-2XPD',
  as: 'own' as const,
  addresses: ['/ip4/192.168.1.7/tcp/4215/p2p/12D3KooWA', '/ip6/::1/tcp/1/ws/p2p/12D3KooWA'],
}

describe('pairing links', () => {
  it('default: say code, kind and addresses', () => {
    const text = makePairLink(link)
    expect(text).toMatch(/^freehold:pair\/K7QM-2XPD\?as=own&at=\/ip4\/192/)
    expect(isPairLink(text)).toBe(true)
    expect(readPairLink(`  ${text}\n`)).toEqual(link)
  })

  it('behaviour: a web app is opened by it, and its host learns nothing', () => {
    const address = new URL(inApp(makePairLink(link), 'https://example.org/freehold/#/models'))
    expect(address.pathname + address.search).toBe('/freehold/')
    expect(readPairLink(String(address))).toEqual(link)
    expect(isPairLink(String(address))).toBe(true)
  })

  it('behaviour: of addresses those come along that another machine can dial', () => {
    const own = ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1']
    expect(fromOutside([...own, '/ip4/10.0.0.2/tcp/1'])).toEqual(['/ip4/10.0.0.2/tcp/1'])
    expect(fromOutside(own)).toEqual(own)
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
