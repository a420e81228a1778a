import { toHex, utf8 } from '../bytes.ts'
import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { Scope } from '../wire/frames.ts'
import { taggedHash } from '../wire/hash.ts'

/** One departure of content from this device. Never the content itself. */
export interface Departure {
  /** SHA-256 of what left, hex. */
  digest: string
  sizeBytes: number
  /** Device key that it went to, hex. */
  to: string
  scope: Scope
  why: string
  /** Highest price agreed to, token units. */
  priceUnits: string
}

export interface EgressEntry extends Departure {
  index: number
  timeMs: number
  previous: string
  /** Hash over this entry and the one before: a changed or removed entry breaks the chain. */
  hash: string
}

/** The hash-chained record of every byte of content that left this device. */
export interface EgressLog {
  /** On disk when it resolves; only then may the first byte go. */
  append(departure: Departure): Promise<EgressEntry>
  entries(): Promise<EgressEntry[]>
  /** @returns the index of the first entry that does not hold, or null */
  verify(): Promise<number | null>
}

const HEAD = 'head'
const START = '0'.repeat(64)

export function createEgressLog(table: Table<EgressEntry>, clock: Clock): EgressLog {
  let last: Promise<unknown> = Promise.resolve()
  const entries = async () =>
    (await table.list()).filter(([key]) => key !== HEAD).map(([, entry]) => entry)
  const append = async (departure: Departure): Promise<EgressEntry> => {
    const head = await table.get(HEAD)
    const index = head === undefined ? 0 : head.index + 1
    const body = { ...departure, index, timeMs: clock.now(), previous: head?.hash ?? START }
    const entry = { ...body, hash: entryHash(body) }
    await table.update(String(index).padStart(12, '0'), () => entry)
    await table.update(HEAD, () => entry)
    return entry
  }
  return {
    append: (departure) => {
      const done = last.then(() => append(departure))
      last = done.catch(() => {})
      return done
    },
    entries,
    verify: async () => {
      let previous = START
      const all = await entries()
      for (const [i, { hash, ...body }] of all.entries()) {
        if (body.index !== i || body.previous !== previous || entryHash(body) !== hash) return i
        previous = hash
      }
      const head = await table.get(HEAD)
      return (head?.hash ?? START) === previous ? null : all.length
    },
  }
}

function entryHash(body: Omit<EgressEntry, 'hash'>): string {
  const { digest, sizeBytes, to, scope, why, priceUnits, timeMs, previous } = body
  const fields = [previous, digest, String(sizeBytes), to, scope, why, priceUnits, String(timeMs)]
  return toHex(taggedHash('egress', ...fields.map(utf8)))
}
