import { toHex, utf8 } from '../bytes.ts'
import type { Clock } from '../platform.ts'
import { existing, type Table } from '../storage.ts'
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
  /** How many places of which kind were replaced before it left; absent: none. Never what stood there. */
  redacted?: Readonly<Record<string, number>> | undefined
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
  const entries = async () =>
    (await table.list()).filter(([key]) => key !== HEAD).map(([, entry]) => entry)
  /** Adds a row that is not there; never replaces one. */
  const keep = (entry: EgressEntry) =>
    table.update(String(entry.index).padStart(12, '0'), (old) => old ?? entry)
  return {
    append: async (departure) => {
      const timeMs = clock.now()
      let before: EgressEntry | undefined
      // One step takes the place in the chain: several processes may write to one log.
      const entry = existing(
        await table.update(HEAD, (head) => {
          before = head
          const index = head === undefined ? 0 : head.index + 1
          const body = { ...withCounts(departure), index, timeMs, previous: head?.hash ?? START }
          return { ...body, hash: entryHash(body) }
        }),
        HEAD,
      )
      // Its writer may have died before its row was written.
      await Promise.all([before && keep(before), keep(entry)])
      return entry
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

/** Where nothing was replaced, a row says nothing of it: as rows did before anything could be. */
function withCounts({ redacted = {}, ...departure }: Departure): Departure {
  return Object.keys(redacted).length === 0 ? departure : { ...departure, redacted }
}

function entryHash(body: Omit<EgressEntry, 'hash'>): string {
  const { digest, sizeBytes, to, scope, why, priceUnits, timeMs, previous, redacted } = body
  const fields = [previous, digest, String(sizeBytes), to, scope, why, priceUnits, String(timeMs)]
  // A field more, of its own length: rows of the first version have the hash that they had.
  if (redacted !== undefined) fields.push(countsText(redacted))
  return toHex(taggedHash('egress', ...fields.map(utf8)))
}

function countsText(redacted: Readonly<Record<string, number>>): string {
  const counts = Object.entries(redacted).map(([kind, count]) => `${kind}=${count}`)
  return `redacted ${counts.sort().join(',')}`
}
