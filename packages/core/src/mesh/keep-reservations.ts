import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import type { Log } from '../platform.ts'

export type Libp2pService = NonNullable<Libp2pOptions['services']>[string]
export type Libp2pComponents = Parameters<Libp2pService>[0]

/** libp2p gives a relay up that is away once; others would never reach this device again. */
const RETRY_MS = 15_000
const SOON_MS = 1_000

interface Reservations {
  hasReservation(peer: Connection['remotePeer']): boolean
  addRelay(peer: Connection['remotePeer'], type: 'configured'): Promise<unknown>
}

/** Keeps a place at each of these relays, so that others reach this device there. */
export function keepReservations(relays: readonly string[], log: Log): Libp2pService {
  return ({ transportManager, connectionManager, events }: Libp2pComponents) => {
    const timers = new Map<string, ReturnType<typeof setTimeout>>()
    const listening = new Set<string>()
    let isRunning = false

    function soon(relay: string, ms: number): void {
      clearTimeout(timers.get(relay))
      if (isRunning)
        timers.set(
          relay,
          setTimeout(() => void keep(relay), ms),
        )
    }

    async function keep(relay: string): Promise<void> {
      try {
        await reserve(relay)
      } catch (error) {
        log('mesh.relay', { relay, error: String(error) })
      }
      soon(relay, RETRY_MS)
    }

    async function reserve(relay: string): Promise<void> {
      const address = multiaddr(relay)
      // Looks for whichever relay it meets: libp2p does that by itself.
      if (address.toString() === '/p2p-circuit') {
        if (!listening.has(relay)) await transportManager.listen([address])
        listening.add(relay)
        return
      }
      const { remotePeer } = await connectionManager.openConnection(address)
      const store = reservationsOf(transportManager.getTransports())
      if (store === undefined || store.hasReservation(remotePeer)) return
      if (listening.has(relay)) {
        await store.addRelay(remotePeer, 'configured')
        return
      }
      await transportManager.listen([address.encapsulate('/p2p-circuit')])
      listening.add(relay)
    }

    const onClose = ({ detail }: CustomEvent<Connection>): void => {
      const peer = detail.remotePeer.toString()
      for (const relay of relays) if (relay.includes(peer)) soon(relay, SOON_MS)
    }
    return {
      start: () => {
        isRunning = true
        events.addEventListener('connection:close', onClose)
      },
      afterStart: async () => {
        await Promise.all(relays.map(keep))
      },
      stop: () => {
        isRunning = false
        events.removeEventListener('connection:close', onClose)
        for (const timer of timers.values()) clearTimeout(timer)
      },
    }
  }
}

function reservationsOf(transports: readonly object[]): Reservations | undefined {
  return transports
    .map((transport) => (transport as { reservationStore?: Reservations }).reservationStore)
    .find((store) => store !== undefined)
}
