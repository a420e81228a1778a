import { describe, expect, it } from 'vitest'
import { chainOf, fieldsOf, unitsOf } from './member-settings.ts'

const ADDRESS = `0x${'a1'.repeat(20)}` as const
const FIELDS = {
  rpc: 'http://127.0.0.1:8545/',
  chainId: '31337',
  house: ADDRESS,
  token: ` ${ADDRESS} `,
}

describe('member settings', () => {
  it('default: reads a chain as it is typed, and shows it again', () => {
    const chain = chainOf(FIELDS)
    expect(chain).toEqual({ ...FIELDS, chainId: 31_337, token: ADDRESS })
    expect(chainOf(fieldsOf(chain))).toEqual(chain)
  })

  it('behaviour: four empty fields are no chain, three are a mistake', () => {
    expect(chainOf(fieldsOf(null))).toBeNull()
    expect(() => chainOf({ ...FIELDS, house: '' })).toThrow(/house/i)
  })

  it.each([
    'http://192.168.1.2:8545/',
    'ws://127.0.0.1:8545',
    'http://127.0.0.1.example.com/',
    'javascript:1',
    '127.0.0.1:8545',
  ])('behaviour: refuses %s, which the policy of the page would not let through', (rpc) => {
    expect(() => chainOf({ ...FIELDS, rpc })).toThrow(/node/i)
  })

  it('behaviour: amounts are whole units or nothing', () => {
    expect([unitsOf('1 000_000'), unitsOf(' '), unitsOf('0')]).toEqual([1_000_000n, null, 0n])
    for (const text of ['-1', '1.5', '1e6', '0x10', 'all']) expect(() => unitsOf(text)).toThrow()
  })
})
