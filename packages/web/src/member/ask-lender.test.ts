import type { Device } from '@freehold/core/device/device'
import { peerName } from '@freehold/core/identity/peer-name'
import { encodeInvitation } from '@freehold/core/wire/invitation'
import { describe, expect, it } from 'vitest'
import { askLender } from './ask-lender.ts'

const KEY = new Uint8Array(32).fill(9)
const PEER = peerName(KEY)
const ADDRESSES = ['/ip4/127.0.0.1/tcp/1/ws', `/ip4/127.0.0.1/tcp/2/ws/p2p/${PEER}`]

const invitation = (expiresAtMs: number | null) =>
  encodeInvitation({ device: KEY, addresses: ADDRESSES, name: null, expiresAtMs })

/** Answers at the addresses of `reached`, and notes where it was asked. */
function deviceOf(reached: readonly string[]) {
  const asked: string[] = []
  const ask = async (address: string) => {
    asked.push(address)
    if (!reached.includes(address)) throw new Error(`nobody at ${address}`)
    return { address }
  }
  return { asked, device: { peers: { ask } } as unknown as Device }
}

describe('asking a lender', () => {
  it('default: at an address, as it was typed', async () => {
    const { device, asked } = deviceOf(['/ip4/127.0.0.1/tcp/1/ws'])
    await askLender(device, '  /ip4/127.0.0.1/tcp/1/ws\n')
    expect(asked).toEqual(['/ip4/127.0.0.1/tcp/1/ws'])
  })

  it('behaviour: an invitation names whom; its addresses are tried in turn', async () => {
    const { device, asked } = deviceOf([ADDRESSES[1] ?? ''])
    expect(await askLender(device, invitation(null))).toEqual({ address: ADDRESSES[1] })
    expect(asked).toEqual([`${ADDRESSES[0]}/p2p/${PEER}`, ADDRESSES[1]])
  })

  it('behaviour: one that is over asks nobody, and one that nobody answers says what failed', async () => {
    const { device, asked } = deviceOf([])
    await expect(askLender(device, invitation(Date.now() - 60_000))).rejects.toMatchObject({
      reason: 'deadline',
    })
    expect(asked).toEqual([])
    await expect(askLender(device, invitation(Date.now() + 600_000))).rejects.toThrow(
      /nobody at .*tcp\/1.*nobody at .*tcp\/2/,
    )
    await expect(askLender(device, 'freehold:nonsense')).rejects.toThrow()
  })
})
