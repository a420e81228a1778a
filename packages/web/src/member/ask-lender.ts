import type { Device } from '@freehold/core/device/device'
import type { KnownOffer } from '@freehold/core/device/peers'
import { LendingError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import { decodeInvitation } from '@freehold/core/wire/invitation'

/**
 * Asks a device for its offer and keeps it in the peer book.
 * @param where an address, or an invitation: then only the device that it names will do
 * @throws LendingError, WireError
 */
export async function askLender(device: Device, where: string): Promise<KnownOffer> {
  const text = where.trim()
  if (!text.startsWith('freehold:')) return device.peers.ask(text)
  const { device: key, addresses, expiresAtMs } = decodeInvitation(text)
  if (expiresAtMs !== null && expiresAtMs <= Date.now()) {
    throw new LendingError('deadline', {
      what: 'the invitation is over',
      next: 'Ask for a new one',
    })
  }
  const peer = `/p2p/${peerName(key)}`
  const failures: string[] = []
  for (const address of addresses) {
    try {
      return await device.peers.ask(address.includes('/p2p/') ? address : address + peer)
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new LendingError('lost', {
    what: 'nobody answers to this invitation',
    why: failures.join('; '),
    next: 'A page reaches devices that listen on WebSockets',
  })
}
