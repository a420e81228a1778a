import type { Libp2pService } from '@freehold/core/mesh/keep-reservations'
import { uPnPNAT } from '@libp2p/upnp-nat'

interface Client {
  findGateways(options: object): AsyncIterable<Gateway>
}

/** What is used of a router that the library found. */
interface Gateway {
  family: 'IPv4' | 'IPv6'
  map(...args: unknown[]): Promise<{ externalPort: number; protocol: 'TCP' | 'UDP' }>
  stop(init?: { signal?: AbortSignal }): Promise<void>
  getGateway(init?: object): Promise<{
    run(service: string, action: string, args: [string, string][], init?: object): Promise<unknown>
  }>
}

const WAN_IP = 'urn:schemas-upnp-org:service:WANIPConnection:2'

/**
 * Asks the router for a port that leads here, for an hour and again before that, and gives it back in
 * the end (UPnP, InternetGatewayDevice:2). What the router says it maps is said to others: AutoNAT
 * would want the word of four devices first, and a small network has no four.
 */
export const askRouter: Libp2pService = (components) => {
  const nat = uPnPNAT({ portMappingDescription: 'freehold', autoConfirmAddress: true })(
    components as Parameters<ReturnType<typeof uPnPNAT>>[0],
  )
  // The type that the library exports does not name it; the class does.
  const { portMappingClient: client } = nat as unknown as { portMappingClient: Client }
  const find = client.findGateways.bind(client)
  client.findGateways = async function* (options) {
    for await (const gateway of find(options)) yield givesBack(gateway)
  }
  return nat
}

/** The library asks to end a mapping of no protocol, which no router has: the port would stay open. */
function givesBack(gateway: Gateway): Gateway {
  if (gateway.family !== 'IPv4') return gateway
  const made: Awaited<ReturnType<Gateway['map']>>[] = []
  const map = gateway.map.bind(gateway)
  const stop = gateway.stop.bind(gateway)
  gateway.map = async (...args) => {
    const mapping = await map(...args)
    made.push(mapping)
    return mapping
  }
  gateway.stop = async (init) => {
    const router = await gateway.getGateway(init)
    const end = ({ externalPort, protocol }: (typeof made)[number]) =>
      router.run(
        WAN_IP,
        'DeletePortMapping',
        [
          ['NewRemoteHost', ''],
          ['NewExternalPort', String(externalPort)],
          ['NewProtocol', protocol],
        ],
        init,
      )
    await Promise.allSettled(made.splice(0).map(end))
    await stop(init)
  }
  return gateway
}
