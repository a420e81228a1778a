import { equal, toHex } from '../bytes.ts'
import { IdentityError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { isCertified } from '../identity/is-certified.ts'
import type { Table } from '../storage.ts'
import type { Certificate } from '../wire/certificate.ts'
import type { Parts } from './parts.ts'

/** Another device of this owner, paired by key. */
export interface PairRecord {
  /** Device key, hex. */
  device: string
  name: string
  pairedAtMs: number
  /** Index in the certificate that this device gave it; null: it gave this device one. */
  index: number | null
  /** The person does not call it their own any more; its certificate alone counts for nothing then. */
  isRemoved: boolean
}

/** A pairing of which this device does not know whether the other side has it too. */
export interface PairDoubt {
  sinceMs: number
}

/** By whose certificate this device belongs to an owner whose phrase is elsewhere. */
export interface Membership {
  certificate: Certificate
  /** Device that gave it, by its key in hex. */
  by: string
}

const ROW = 'owner'
/** Devices with keys of their own are counted from here, those of the phrase from 0. */
const FIRST_INDEX = 0x8000

/** Which devices are this owner's, besides what certificates say. */
export interface PairBook {
  list(): Promise<PairRecord[]>
  /** Whether the person removed it. @param device key, hex */
  isRemoved(device: string): Promise<boolean>
  /** Whether it was paired as an own device and is one still. */
  isOwn(device: string): Promise<boolean>
  /** Whether the other side said that it keeps the pairing too, as far as this device has heard. */
  isMutual(device: string): Promise<boolean>
  /** Notes that it has not said so yet; null: it has. */
  doubt(device: string, doubt: PairDoubt | null): Promise<void>
  nextIndex(): Promise<number>
  add(record: PairRecord): Promise<void>
  /** Takes up the certificate of another device's owner. */
  join(membership: Membership): Promise<void>
  /** @returns whether this device belonged to that one's owner, and does not any more */
  remove(device: string): Promise<boolean>
}

export function createPairBook({ tables }: Pick<Parts, 'tables'>): PairBook {
  const { pairs, membership, pairDoubts } = tables
  return {
    list: async () => (await pairs.list()).map(([, record]) => record),
    isRemoved: async (device) => (await pairs.get(device))?.isRemoved ?? false,
    isOwn: async (device) => (await pairs.get(device))?.isRemoved === false,
    isMutual: async (device) => (await pairDoubts.get(device)) === undefined,
    doubt: async (device, doubt) => {
      await pairDoubts.update(device, () => doubt ?? undefined)
    },
    nextIndex: async () => {
      const used = (await pairs.list()).map(([, { index }]) => index ?? 0)
      return Math.max(FIRST_INDEX - 1, ...used) + 1
    },
    add: (record) => pairs.put(record.device, record),
    join: (member) => membership.put(ROW, member),
    remove: async (device) => {
      await pairs.update(device, (old) => old && { ...old, isRemoved: true })
      await pairDoubts.update(device, () => undefined)
      if ((await membership.get(ROW))?.by !== device) return false
      await membership.update(ROW, () => undefined)
      return true
    },
  }
}

/**
 * The identity of a device that was paired as another owner's own: its keys stay, its owner and
 * certificate are those that it was given.
 * @throws IdentityError when the certificate on the disk does not hold
 */
export async function withMembership(
  identity: Identity,
  table: Table<Membership>,
): Promise<Identity> {
  const found = await table.get(ROW)
  if (found === undefined) return identity
  const { certificate } = found
  if (!equal(certificate.device, identity.device)) {
    // Another phrase was put into this home since.
    return identity
  }
  if (!(await isCertified(certificate))) {
    throw new IdentityError({
      what: 'the certificate of this device’s owner does not hold',
      why: `it is said to come from ${toHex(certificate.owner)}`,
      next: 'Pair the two devices again',
    })
  }
  return { ...identity, owner: certificate.owner, certificate }
}
