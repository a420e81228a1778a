import { toHex } from '../bytes.ts'
import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { PeerRecord } from './records.ts'

/** Finds who may have a model. What they say is believed by nobody. */
export interface Seeders {
  /** @param digest model id, hex @returns addresses, the likeliest first */
  findSeeders(digest: string, init?: { signal?: AbortSignal | undefined }): Promise<string[]>
}

/** A seeder that sent what cannot be true. */
export interface SeederBan {
  why: string
  untilMs: number
}

/** Devices that are not asked for weights. */
export interface SeederBans {
  has(device: string): Promise<boolean>
  add(device: string, why: string): Promise<void>
}

/** A disk may have rotted and been replaced: nobody is banned for good. */
const BAN_MS = 7 * 86_400_000
export const MAX_SEEDERS = 32

/** Seeders are asked for among the given addresses, then among all devices that were met. */
export function createKnownSeeders(
  addresses: readonly string[],
  { peers }: { peers: Table<PeerRecord> },
): Seeders {
  return {
    findSeeders: async () => {
      const met = (await peers.list()).map(([, record]) => record)
      met.sort((a, b) => b.seenAtMs - a.seenAtMs)
      const book = met.flatMap((record) => record.addresses.slice(0, 2))
      return [...new Set([...addresses, ...book])].slice(0, MAX_SEEDERS)
    },
  }
}

export function createSeederBans(table: Table<SeederBan>, clock: Clock): SeederBans {
  return {
    has: async (device) => ((await table.get(device))?.untilMs ?? 0) > clock.now(),
    add: async (device, why) => {
      await table.put(device, { why, untilMs: clock.now() + BAN_MS })
    },
  }
}

/** Names a list of chunk hashes. */
export function listKey(sizeBytes: number, root: Uint8Array): string {
  return `${sizeBytes}-${toHex(root)}`
}
