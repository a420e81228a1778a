import { toHex } from '../bytes.ts'
import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { ContactRecord } from './records.ts'

/** The devices by which this one finds back into the network after a restart. */
export interface PeerBook {
  /** It proved its key at `address`; it says that it is also at others. */
  met(
    device: Uint8Array,
    at: { address: string; says?: readonly string[]; name?: string | null | undefined },
  ): Promise<void>
  /** Where this device itself was last reached: for its invitations. */
  here(addresses: readonly string[]): Promise<void>
  /** The likeliest to answer first: those met last, then those that only others told of. */
  contacts(): Promise<ContactRecord[]>
}

/**
 * Devices in the book. A hundred would find back into any network; the rest is for those that changed their
 * address since. About 1 kB each.
 */
export const MAX_CONTACTS = 500
/** Addresses of one device: its homes, and what it was reached by before. */
export const MAX_CONTACT_ADDRESSES = 8
/** What is newer than this is not written again: each write is a write to the disk. */
const FRESH_MS = 10 * 60_000

/** @param self key of this device, hex: it has a row too, and is nobody to find back by */
export function createPeerBook(
  contacts: Table<ContactRecord>,
  { clock, self }: { clock: Clock; self: string | null },
): PeerBook {
  /** The names of those in the book, so that it need not be read to know whether it is full. */
  let seen: Map<string, number> | null = null

  async function known(): Promise<Map<string, number>> {
    seen ??= new Map((await others()).map(({ device, seenAtMs }) => [device, seenAtMs]))
    return seen
  }

  async function others(): Promise<ContactRecord[]> {
    return (await contacts.list()).map(([, row]) => row).filter(({ device }) => device !== self)
  }

  async function makeRoom(): Promise<void> {
    const all = await known()
    while (all.size > MAX_CONTACTS) {
      const [oldest] = [...all].reduce((one, other) => (other[1] < one[1] ? other : one))
      all.delete(oldest)
      await contacts.update(oldest, () => undefined)
    }
  }

  return {
    met: async (device, { address, says = [], name = null }) => {
      const key = toHex(device)
      const nowMs = clock.now()
      await contacts.update(key, (old) => {
        const before = old?.addresses ?? []
        const last = before.find((one) => one.address === address)
        const isFresh = (last?.metAtMs ?? 0) > nowMs - FRESH_MS
        const isKnown = says.every((said) => before.some((one) => one.address === said))
        if (old && isFresh && isKnown && (name === null || name === old.name)) return old
        const told = new Map(before.map((one) => [one.address, one]))
        for (const said of says) {
          const metAtMs = told.get(said)?.metAtMs ?? null
          told.set(said, { address: said, seenAtMs: nowMs, metAtMs })
        }
        told.set(address, { address, seenAtMs: nowMs, metAtMs: nowMs })
        const addresses = [...told.values()].sort(likelier).slice(0, MAX_CONTACT_ADDRESSES)
        return { device: key, name: name ?? old?.name ?? null, addresses, seenAtMs: nowMs }
      })
      ;(await known()).set(key, nowMs)
      await makeRoom()
    },
    here: async (addresses) => {
      if (self === null) return
      const seenAtMs = clock.now()
      const own = addresses.slice(0, MAX_CONTACT_ADDRESSES)
      await contacts.put(self, {
        device: self,
        name: null,
        addresses: own.map((address) => ({ address, seenAtMs, metAtMs: null })),
        seenAtMs,
      })
    },
    contacts: async () => (await others()).sort((one, other) => other.seenAtMs - one.seenAtMs),
  }
}

function likelier(one: ContactRecord['addresses'][0], other: typeof one): number {
  return (other.metAtMs ?? 0) - (one.metAtMs ?? 0) || other.seenAtMs - one.seenAtMs
}
