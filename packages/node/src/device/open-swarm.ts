import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { PeerRecord } from '@freehold/core/device/records'
import {
  createKnownSeeders,
  createSeederBans,
  type SeederBan,
  type Seeders,
} from '@freehold/core/device/seeders'
import { type Log, systemClock, systemRandom } from '@freehold/core/platform'
import { createEgressLog, type EgressEntry } from '@freehold/core/routing/egress-log'
import type { Paths } from '../config.ts'
import type { Swarm } from '../models/pull-from-peers.ts'

export interface OpenSwarmInit {
  paths: Pick<Paths, 'database'>
  /** Peers to ask besides those that were met. */
  addresses: readonly string[]
  bytesPerSecond?: number | null | undefined
  log?: Log | undefined
  /** Finds seeders in another way. */
  seeders?: Seeders | undefined
}

const CONNECT_MS = 5_000
const REPLY_MS = 30_000

/**
 * Peers to pull models from. A key that is thrown away afterwards speaks to them: who pulls what is
 * nobody's business, and no vault has to be opened.
 * @returns null when there is nobody to ask
 */
export async function openSwarm(init: OpenSwarmInit): Promise<(Swarm & AsyncDisposable) | null> {
  const { paths, addresses, log = () => {} } = init
  if (init.seeders === undefined && addresses.length === 0 && !existsSync(paths.database))
    return null
  const { openSqliteStorage } = await import('../storage/sqlite-storage.ts')
  const storage = openSqliteStorage(paths.database)
  const seeders =
    init.seeders ?? createKnownSeeders(addresses, { peers: storage.table<PeerRecord>('peers') })
  if ((await seeders.findSeeders('')).length === 0) {
    await storage[Symbol.asyncDispose]()
    return null
  }
  // Only who pulls from peers loads what that takes.
  const [{ createMesh }, { openWeightsSource }, { tcp }, { webSockets }] = await Promise.all([
    import('@freehold/core/mesh/mesh'),
    import('@freehold/core/device/weights-source'),
    import('@libp2p/tcp'),
    import('@libp2p/websockets'),
  ])
  const mesh = await createMesh(
    { identity: { deviceSecretKey: systemRandom(32) }, listen: [] },
    { transports: [tcp(), webSockets()], log },
  )
  const egress = createEgressLog(storage.table<EgressEntry>('egress'), systemClock)
  return {
    seeders,
    bans: createSeederBans(storage.table<SeederBan>('seeders'), systemClock),
    bytesPerSecond: init.bytesPerSecond ?? null,
    log,
    connect: (address, signal) =>
      openWeightsSource({ address, connectMs: CONNECT_MS, replyMs: REPLY_MS, signal }, { mesh }),
    onAsk: async (digest, to) => {
      const request = Buffer.from(digest, 'hex')
      for (const address of to) {
        await egress.append({
          digest: createHash('sha256').update(request).digest('hex'),
          sizeBytes: request.length,
          to: /\/p2p\/([^/]+)$/.exec(address)?.[1] ?? address,
          scope: 'market',
          why: `asks for the weights of ${digest}`,
          priceUnits: '0',
        })
      }
    },
    [Symbol.asyncDispose]: async () => {
      await mesh[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}
