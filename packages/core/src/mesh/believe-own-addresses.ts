import { isPrivate } from '@libp2p/utils'
import type { Libp2pService } from './keep-reservations.ts'

/**
 * Says the public IPv4 addresses of this machine's own interfaces from the start. libp2p waits until
 * four others found that they work: a lender without AutoNAT, or the first one of a network, would never
 * say where it is. Where AutoNAT is on it looks at them at once, and takes back what does not work.
 * IPv6 is left to it: at home those addresses are public, and behind the router's wall.
 */
export const believeOwnAddresses: Libp2pService = ({ addressManager, events }) => {
  const believe = () => {
    for (const { multiaddr, type, verified } of addressManager.getAddressesWithMetadata()) {
      const isOwn = type === 'transport' && multiaddr.toString().startsWith('/ip4/')
      if (isOwn && !verified && !isPrivate(multiaddr))
        addressManager.confirmObservedAddr(multiaddr, { ttl: 0 })
    }
  }
  return {
    start: () => events.addEventListener('transport:listening', believe),
    stop: () => events.removeEventListener('transport:listening', believe),
  }
}
