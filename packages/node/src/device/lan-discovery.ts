import type { LanDiscovery } from '@freehold/core/mesh/discovery'
import { mdns } from '@libp2p/mdns'

/** Under which devices look for each other in the local network: not libp2p's, so that no other program is asked. */
export const SERVICE_NAME = '_freehold._udp.local'
/** A device that comes home is found within half a minute, by a packet of 50 bytes. */
const ASK_MS = 20_000

/** Multicast DNS: says in the local network that this device is there, and hears who else is. */
export function lanDiscovery(): LanDiscovery {
  return mdns({ serviceTag: SERVICE_NAME, interval: ASK_MS })
}
