import { nodeName } from '@freehold/core/clearing/rpc-nodes'
import type { Device } from '@freehold/core/device/device'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import {
  ceilingsOf,
  discoveryOf,
  hubOf,
  reachOf,
  readEnvironment,
  readSettings,
  rulesOf,
  type Settings,
  setOffOf,
  tokensOf,
} from '../config.ts'
import type { NodeReachInit } from '../mesh/open-mesh.ts'
import { DEFAULT_MODEL } from '../models/acorn.ts'
import { DEFAULT_ENDPOINT } from '../models/hub.ts'
import { type CentralPoint, centralPoints, hostOf } from './central-points.ts'
import { cliPaths, type GlobalOptions, openCliDevice } from './context.ts'

export interface Check {
  name: string
  status: 'ok' | 'failed' | 'not checked'
  says: string
}

/** The check that sums up how others reach this device. */
export const REACHABLE = 'reachable from outside'
/** A question to somebody else waits no longer. */
const ASK_MS = 5_000
/** Of the peer book, the likeliest: a network is reached by one of them. */
const CONTACTS = 5

/** Looks at what this device depends on. Opens a socket only when it is asked to (`online`). */
export async function examine(
  options: GlobalOptions & { online?: boolean | undefined },
  { signal }: { signal: AbortSignal },
): Promise<{ central: CentralPoint[]; checks: Check[] }> {
  const environment = readEnvironment()
  const paths = cliPaths(options)
  const checks: Check[] = []
  const check = async (name: string, look: () => Promise<string>): Promise<boolean> => {
    try {
      checks.push({ name, status: 'ok', says: await look() })
      return true
    } catch (error) {
      signal.throwIfAborted()
      checks.push({ name, status: 'failed', says: (error as Error).message })
      return false
    }
  }
  const skip = (name: string, says: string) => checks.push({ name, status: 'not checked', says })

  let settings: Settings = {}
  const areValid = await check('settings', async () => {
    settings = await readSettings(paths.config)
    ceilingsOf(settings)
    discoveryOf(settings)
    hubOf(settings, environment)
    reachOf(settings)
    rulesOf(settings)
    setOffOf(settings)
    tokensOf(settings, environment)
    return `${paths.config}, where it is there, says what it may`
  })
  const chain = options.chain ?? settings.chain

  let contacts: string[] = []
  let isOpen = false
  if (areValid) {
    isOpen = await check('store', async () => {
      await using device = await openCliDevice({ listen: null, needsKeys: false })
      // A row that stays as it is would be written nowhere.
      const { contacts: rows } = device.tables
      await rows.put(PROBE, { device: PROBE, name: null, addresses: [], seenAtMs: 0 })
      await rows.update(PROBE, () => undefined)
      contacts = (await rows.list())
        .map(([, row]) => row)
        .sort((one, other) => other.seenAtMs - one.seenAtMs)
        .flatMap(({ addresses }) => addresses.filter(({ metAtMs }) => metAtMs !== null).slice(0, 1))
        .map(({ address }) => address)
      return `${paths.database} can be written`
    })
  }
  const name = settings.model ?? DEFAULT_MODEL
  if (isOpen) {
    await check('model', async () => {
      await using device = await openCliDevice({
        listen: null,
        needsKeys: false,
        models: options.models,
      })
      const { info } = await device.model(name)
      return `${info.name} is loaded`
    })
  } else {
    skip('model', 'the settings or the store do not hold')
  }

  const peers = new Map([
    ...(settings.bootstrap ?? []).map((address) => [`bootstrap ${address}`, address] as const),
    ...(settings.relays ?? []).map((address) => [`relay ${address}`, address] as const),
    ...contacts.slice(0, CONTACTS).map((address) => [`device ${address}`, address] as const),
  ])
  const rpcs = chain === undefined ? [] : [chain.rpc].flat()
  const hosts = environment.hub.endpoint
    ? [environment.hub.endpoint]
    : (settings.modelHosts ?? [DEFAULT_ENDPOINT])
  const reach = areValid ? reachOf(settings) : undefined
  if (options.online && areValid) {
    for (const rpc of rpcs) {
      await check(`chain ${nodeName(rpc)}`, () => askChain(rpc, chain?.chainId ?? 0, signal))
    }
    for (const host of hosts) await check(`model host ${hostOf(host)}`, () => askHost(host, signal))
    const report = (one: Check) => checks.push(one)
    await greetAll(peers, { check, report, skip, options, reach, signal })
  } else {
    const why = options.online ? 'the settings do not hold' : 'add --online'
    if (rpcs.length > 0) skip('chain', why)
    if (hosts.length > 0) skip('model host', why)
    if (peers.size > 0) skip('devices', why)
  }
  if (chain === undefined) skip('chain', 'there is none in the settings: nothing is paid or earned')
  if (peers.size === 0)
    skip('devices', 'none is known: freehold join LINK, or the setting bootstrap')
  if (!checks.some(({ name }) => name === REACHABLE)) {
    const nobody =
      'only others can tell, and the settings name no relay, STUN server or router to ask'
    skip(REACHABLE, reach === undefined ? nobody : 'add --online')
  }
  const { endpoint, registry } = environment.hub
  return {
    central: centralPoints(settings, { chain, endpoint, registry, contacts: contacts.length }),
    checks,
  }
}

/** Sorts before and is no key of a device. */
const PROBE = 'probe'

async function askChain(rpc: string, chainId: number, signal: AbortSignal): Promise<string> {
  const response = await fetch(rpc, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]),
  })
  const { result } = (await response.json()) as { result?: string }
  if (Number(result) === chainId) return `answers, and is chain ${chainId}`
  throw new Error(`it is chain ${Number(result)}, and the settings say ${chainId}`)
}

async function askHost(host: string, signal: AbortSignal): Promise<string> {
  const { status } = await fetch(host, {
    method: 'HEAD',
    signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]),
  })
  if (status < 500) return 'answers'
  throw new Error(`it answers with status ${status}`)
}

interface Greeting {
  check: (name: string, look: () => Promise<string>) => Promise<boolean>
  report: (check: Check) => void
  skip: (name: string, says: string) => void
  options: GlobalOptions
  /** undefined: it dials plain addresses only. */
  reach: NodeReachInit | undefined
  signal: AbortSignal
}

async function greetAll(
  peers: ReadonlyMap<string, string>,
  { check, report, skip, options, reach, signal }: Greeting,
): Promise<void> {
  if (peers.size === 0 && reach === undefined) return
  // A port is asked of the router for what listens, and given back when this is over.
  const listen = reach?.upnp ? ['/ip4/0.0.0.0/tcp/0'] : []
  // With a key that is thrown away: a process of this device that is running keeps its place at a relay,
  // and who is asked learns nothing of who asks.
  const phrase = createPhrase(systemRandom)
  let device: Device
  try {
    device = await openCliDevice({ listen, needsKeys: true, phrase, models: options.models })
  } catch (error) {
    skip('devices', (error as Error).message)
    return
  }
  await using opened = device
  for (const [name, address] of peers) {
    await check(name, async () => {
      await opened.discovering.greet(address, { signal })
      return 'answers, and proves its key'
    })
  }
  if (reach === undefined) return
  const { examineReach } = await import('./examine-reach.ts')
  await examineReach(opened, reach, { check, report, signal })
}
