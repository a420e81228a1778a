import { peerName } from '@freehold/core/identity/peer-name'
import { describe, expect, it } from 'vitest'
import { emptyChat } from '../chats/chat.fixture.ts'
import { NO_SETTINGS } from '../member/member-settings.ts'
import { exportAll, importAll, type Portable } from './portable.ts'
import { preferencesOf } from './preferences.ts'

const HOUSE = `0x${'a1'.repeat(20)}` as const
const TOKEN = `0x${'b2'.repeat(20)}` as const
const FRIEND = peerName(new Uint8Array(32).fill(7))
const chain = { rpc: 'https://node.example/', chainId: 100, house: HOUSE, token: TOKEN }
const all: Portable = {
  chats: [emptyChat()],
  preferences: preferencesOf({ system: 'Be brief.', theme: 'dark' }),
  settings: {
    chain,
    ceilings: { perRequest: 2n ** 100n, perDay: null },
    friends: [FRIEND],
    relays: ['/dns4/relay.example/tcp/443/wss/p2p/12D3KooWabc'],
  },
}
const { chain: noChain, ceilings, friends, relays } = NO_SETTINGS

describe('exportAll, importAll', () => {
  it('default: what goes out comes back', () => {
    expect(importAll(exportAll(all))).toEqual(all)
    const bare = { ...all, settings: { chain: noChain, ceilings, friends, relays } }
    expect(importAll(exportAll(bare))).toEqual(bare)
  })

  it('behaviour: lending does not go along, nor what nobody knows', () => {
    const settings = { ...NO_SETTINGS, lend: { to: 'market', onlyCharging: false, price: 1 } }
    const file = exportAll({ ...all, settings } as Portable)
    expect(file).not.toContain('lend')
    const more = file.replace('"friends"', '"__proto__": {"x": 1}, "evil": 1, "friends"')
    expect(importAll(more)).toEqual(importAll(file))
  })

  it.each([
    ['{', /no JSON/],
    ['[]', /no object/],
    ['{"format":"other"}', /did not write it/],
    [exportAll(all).replace('"version": 1', '"version": 2'), /another version/],
    [exportAll(all).replace('"chats"', '"cats"'), /chats: it is no list/],
    [exportAll(all).replace('"settings"', '"setting"'), /settings: it is no object/],
    [exportAll(all).replace('https://', 'ftp://'), /Node/],
    [exportAll(all).replace(HOUSE, '0x12'), /Clearing house/],
    [exportAll(all).replace(String(2n ** 100n), '-1'), /no amount/],
    [exportAll(all).replace(FRIEND, FRIEND.slice(1)), /settings.friends/],
    [exportAll(all).replace('/dns4/', 'dns4'), /relay/],
  ])('behaviour: a file that does not fit is refused with the place (%#)', (text, why) => {
    expect(() => importAll(text)).toThrow(why)
  })
})
