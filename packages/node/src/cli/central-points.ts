import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import { nodeName } from '@freehold/core/clearing/rpc-nodes'
import type { Settings } from '../config.ts'
import { DEFAULT_ENDPOINT } from '../models/hub.ts'
import { DEFAULT_REGISTRY } from '../models/ollama-registry.ts'

/** Something that others run and this device depends on. */
export interface CentralPoint {
  name: string
  /** The setting or variable that replaces it. */
  setting: string
  /** Who it is now; empty: nobody. */
  inUse: string[]
  /** What stops working without it. */
  without: string
}

/** Every one there is: what is in none of these rows no part of Freehold turns to. */
export function centralPoints(
  settings: Settings,
  given: {
    chain?: ChainSettings | undefined
    /** HF_ENDPOINT and FREEHOLD_OLLAMA_REGISTRY. */
    endpoint?: string | undefined
    registry?: string | undefined
    /** Devices in the peer book. */
    contacts: number
  },
): CentralPoint[] {
  const { bootstrap = [], relays = [], modelHosts = [DEFAULT_ENDPOINT], discovery } = settings
  const chain = given.chain ?? settings.chain
  const waysOff = discovery?.length === 0
  return [
    {
      name: 'bootstrap',
      setting: 'bootstrap',
      inUse: bootstrap,
      without: waysOff
        ? 'nothing: discovery is off, lenders are those you name'
        : given.contacts > 0
          ? `nothing: this device finds into the network by the ${given.contacts} devices in its peer book`
          : 'a new device finds nobody, until it follows an invitation or you name an address',
    },
    {
      name: 'relays',
      setting: 'relays',
      inUse: relays,
      without:
        'devices behind a router that lets nothing in are not reached by others; borrowing goes on',
    },
    {
      name: 'STUN servers',
      setting: 'stun',
      inUse: settings.stun ?? [],
      without:
        'relays say how this device is seen, which answer STUN too; without either, devices behind routers are connected by relay alone',
    },
    {
      name: 'model host',
      setting: 'modelHosts, HF_ENDPOINT',
      inUse: (given.endpoint ? [given.endpoint] : modelHosts).map(hostOf),
      without: 'new models are not pulled; those that are here, and files that you import, work',
    },
    {
      name: 'ollama registry',
      setting: 'FREEHOLD_OLLAMA_REGISTRY',
      inUse: [hostOf(given.registry || DEFAULT_REGISTRY)],
      without: 'models named ollama.com/… are not pulled',
    },
    {
      name: 'chain RPC',
      setting: 'chain.rpc',
      inUse: chain === undefined ? [] : [chain.rpc].flat().map(nodeName),
      without:
        'no channel is opened or settled; answers on open channels are paid, until a lender has not seen the chain for a quarter of the exit delay; free answers go on',
    },
    {
      name: 'static host of the page',
      setting: 'none: any web server',
      inUse: [],
      without: 'this program needs none; who uses the page needs one to load it from',
    },
  ]
}

/** Of an address its host alone: keys may stand elsewhere in it. */
export function hostOf(url: string): string {
  return URL.parse(url)?.host ?? url
}
