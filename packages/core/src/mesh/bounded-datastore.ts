import type { Libp2pOptions } from 'libp2p'

type Datastore = NonNullable<Libp2pOptions['datastore']>
type Key = Parameters<Datastore['get']>[0]
type Pair = Parameters<Datastore['putMany']>[0] extends Iterable<infer P> | AsyncIterable<unknown>
  ? P
  : never

/**
 * Lenders that are remembered of one model: Kademlia's k, and what one look-up asks for. Whoever comes
 * next takes the place of the one that said so longest ago.
 */
export const MAX_PROVIDERS_OF_MODEL = 20
/** Provider records in all: about 200 bytes each, so 2 MB that strangers can fill. */
export const MAX_PROVIDER_RECORDS = 10_000
/** Models that one device may be remembered for: twice what an offer holds, so that it may change. */
export const MAX_RECORDS_OF_PROVIDER = 32
/** Devices that libp2p knows addresses of: about 1 kB each, and connections are at most 100. */
export const MAX_KNOWN_PEERS = 5_000

const PROVIDERS = '/dht/provider/'
const PEERS = '/peers/'

/**
 * What libp2p keeps while it runs, in memory and within limits. The one it brings has none: anybody could fill it with
 * provider records. The longest unwritten goes first; what this device itself provides stays.
 * @param self peer id of this device
 */
export function createBoundedDatastore(self: string): Datastore {
  // By folder: a look-up reads one, however many there are.
  const folders = new Map<string, Map<string, Pair>>()
  const byProvider = new Map<string, number>()
  const counts = { providers: 0, peers: 0 }

  const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/'))
  const isOwn = (path: string) => path.endsWith(`/${self}`)
  const providerOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)

  /** Whether it is a folder of providers, and one of them is somebody else. */
  const isOthers = (folder: string) =>
    folder.startsWith(PROVIDERS) &&
    (folders.get(folder)?.size ?? 0) > (folders.get(folder)?.has(`${folder}/${self}`) ? 1 : 0)

  function remove(path: string): void {
    const folder = folders.get(folderOf(path))
    if (!folder?.delete(path)) return
    if (folder.size === 0) folders.delete(folderOf(path))
    if (path.startsWith(PEERS)) counts.peers--
    if (!path.startsWith(PROVIDERS)) return
    counts.providers--
    const left = (byProvider.get(providerOf(path)) ?? 1) - 1
    if (left > 0) byProvider.set(providerOf(path), left)
    else byProvider.delete(providerOf(path))
  }

  /** Makes room for a path that is not there. */
  function makeRoom(path: string): void {
    if (path.startsWith(PEERS) && counts.peers >= MAX_KNOWN_PEERS) {
      removeOldest(folderOf(path))
    }
    if (!path.startsWith(PROVIDERS) || isOwn(path)) return
    if ((byProvider.get(providerOf(path)) ?? 0) >= MAX_RECORDS_OF_PROVIDER) {
      removeOneOf(providerOf(path))
    }
    if ((folders.get(folderOf(path))?.size ?? 0) >= MAX_PROVIDERS_OF_MODEL) {
      removeOldest(folderOf(path))
    }
    if (counts.providers >= MAX_PROVIDER_RECORDS) {
      const oldest = first(folders.keys(), isOthers)
      if (oldest !== undefined) removeOldest(oldest)
    }
  }

  function removeOldest(folder: string): void {
    const oldest = first(folders.get(folder)?.keys() ?? [], (path) => !isOwn(path))
    if (oldest !== undefined) remove(oldest)
  }

  function removeOneOf(provider: string): void {
    for (const [name, folder] of folders) {
      if (!name.startsWith(PROVIDERS)) continue
      const path = `${name}/${provider}`
      if (!folder.has(path)) continue
      remove(path)
      return
    }
  }

  const get = (key: Key) => folders.get(folderOf(key.toString()))?.get(key.toString())?.value
  const put = (key: Key, value: Uint8Array): Key => {
    const path = key.toString()
    if (get(key) === undefined) makeRoom(path)
    // What is written again becomes the youngest.
    remove(path)
    const folder = folders.get(folderOf(path)) ?? new Map<string, Pair>()
    folders.delete(folderOf(path))
    folders.set(folderOf(path), folder)
    folder.set(path, { key, value } as Pair)
    if (path.startsWith(PEERS)) counts.peers++
    if (path.startsWith(PROVIDERS)) {
      counts.providers++
      byProvider.set(providerOf(path), (byProvider.get(providerOf(path)) ?? 0) + 1)
    }
    return key
  }
  const found = (key: Key): Uint8Array => {
    const value = get(key)
    if (value !== undefined) return value
    throw Object.assign(new Error(`nothing under ${key.toString()}`), { name: 'NotFoundError' })
  }
  const under = (prefix: string): Pair[] => {
    const exact = folders.get(prefix)
    if (exact !== undefined) return [...exact.values()]
    const all = [...folders.values()].flatMap((folder) => [...folder])
    return all.filter(([path]) => path.startsWith(prefix)).map(([, pair]) => pair)
  }

  return {
    has: (key) => get(key) !== undefined,
    get: found,
    put,
    delete: (key) => remove(key.toString()),
    getMany: async function* (keys) {
      for await (const key of keys) yield { key, value: found(key) }
    },
    putMany: async function* (pairs) {
      for await (const { key, value } of pairs) yield put(key, value)
    },
    deleteMany: async function* (keys) {
      for await (const key of keys) {
        remove(key.toString())
        yield key
      }
    },
    query: async function* ({ prefix = '', filters = [], orders = [], offset = 0, limit }) {
      const pairs = under(prefix).filter((pair) => filters.every((filter) => filter(pair)))
      for (const order of orders) pairs.sort(order)
      yield* pairs.slice(offset, limit === undefined ? undefined : offset + limit)
    },
    queryKeys: async function* ({ prefix = '', filters = [], orders = [], offset = 0, limit }) {
      const keys = under(prefix).map(({ key }) => key)
      const kept = keys.filter((key) => filters.every((filter) => filter(key)))
      for (const order of orders) kept.sort(order)
      yield* kept.slice(offset, limit === undefined ? undefined : offset + limit)
    },
    batch: () => {
      const steps: (() => void)[] = []
      return {
        put: (key, value) => void steps.push(() => void put(key, value)),
        delete: (key) => void steps.push(() => remove(key.toString())),
        commit: () => {
          for (const step of steps.splice(0)) step()
        },
      }
    },
  }
}

function first(values: Iterable<string>, isIt: (value: string) => boolean): string | undefined {
  for (const value of values) if (isIt(value)) return value
  return undefined
}
