/** Devices that are reached through a relay alone: TCP on loopback, and no WebRTC that would get around it. */
import { deriveIdentity, type Identity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import { createReachability, type ReachInit } from '@freehold/core/mesh/reachability'
import { type Log, systemRandom } from '@freehold/core/platform'
import { tcp } from '@libp2p/tcp'
import { vi } from 'vitest'

interface RelayedMeshInit {
  /** @default somebody new */
  identity?: Pick<Identity, 'deviceSecretKey'> | undefined
  /** @default none */
  listen?: readonly string[] | undefined
  reach: ReachInit
  log?: Log | undefined
}

export async function openRelayedMesh(init: RelayedMeshInit): Promise<Mesh> {
  const { listen = [], reach, log = () => {} } = init
  const identity = init.identity ?? (await deriveIdentity(createPhrase(systemRandom), 0))
  const reachability = createReachability(reach, { log })
  return createMesh({ identity, listen }, { transports: [tcp()], reachability, log })
}

/** Where a device is reached through its relay, once it has its place there. */
export function relayedAddress(of: Pick<Mesh, 'addresses'>): Promise<string> {
  return vi.waitFor(
    () => {
      const address = of.addresses().find((one) => one.includes('/p2p-circuit/'))
      if (address === undefined) throw new Error('it has no place at the relay')
      return address
    },
    { timeout: 60_000, interval: 50 },
  )
}
