import { toHex } from './bytes.ts'
import { FreeholdError } from './errors.ts'

/** One value of a storage, whatever its table. */
export interface StoredRow {
  table: string
  key: string
  value: unknown
}

/**
 * Turns all rows of one version into those of the next. Pure; rows of its own version that lack
 * nothing pass unchanged. One that was released is never edited: a new one is appended.
 */
type Migration = (rows: readonly StoredRow[]) => StoredRow[]

type OldRow = Record<string, unknown>

const MIGRATIONS: readonly Migration[] = [
  fillInFirstVersion,
  countNothingAsConfirmed,
  fillInLeaving,
]

/** Version of the rows that this code reads and writes. */
export const STORAGE_VERSION = MIGRATIONS.length + 1

/** @param from version that wrote `rows` @returns what to keep in their place */
export function migrateRows(rows: readonly StoredRow[], from: number): StoredRow[] {
  return MIGRATIONS.slice(from - 1).reduce<StoredRow[]>((now, step) => step(now), [...rows])
}

/** A storage of a later version is not touched. */
export function refuseLaterVersion(name: string, version: number): never {
  throw new FreeholdError({
    what: `${name} was written by a later version of Freehold`,
    why: `its version is ${version}, this one knows ${STORAGE_VERSION}`,
  })
}

/**
 * Version 1 grew before there were versions: its rows may lack what came later, and vouchers that
 * were not delivered lay in a table of their own.
 */
function fillInFirstVersion(rows: readonly StoredRow[]): StoredRow[] {
  const startedAtMs = new Map<string, unknown>()
  const undelivered = new Map<string, OldRow>()
  for (const { table, key, value } of rows) {
    const row = value as OldRow
    if (table === 'answers' || table === 'lent') startedAtMs.set(key, row.startedAtMs)
    if (table !== 'undelivered') continue
    for (const { channelId, reqId, ...work } of row.vouchers as FirstUndelivered[]) {
      const id = `0x${toHex(channelId)}`
      undelivered.set(id, { ...undelivered.get(id), [toHex(reqId)]: work })
    }
  }
  const filled = (table: string, key: string, row: OldRow): OldRow => {
    // Nobody wrote down which manifest was offered: an audit must not blame the lender for that.
    if (table === 'answers') return { manifestHash: '', auditor: null, ...row }
    if (table === 'standing') return { forgiven: { raw: 0n, atMs: 0 }, ...row }
    if (table !== 'channels') return row
    const { isConfirmed: _, ...channel } = row
    const answers = Object.entries(row.answers as Record<string, OldRow>).map(([id, meter]) => [
      id,
      // Without a time it is older than any answer can get, and is ended as left over.
      { ...meter, startedAtMs: meter.startedAtMs ?? startedAtMs.get(id) ?? 0 },
    ])
    const waiting = { ...undelivered.get(key), ...(row.undelivered as OldRow | undefined) }
    return {
      isRecovered: false,
      ...channel,
      answers: Object.fromEntries(answers),
      undelivered: waiting,
    }
  }
  return rows
    .filter(({ table }) => table !== 'undelivered')
    .map(({ table, key, value }) => ({ table, key, value: filled(table, key, value as OldRow) }))
}

/** Version 2 did not ask how deep a deposit is: the next look at the chain says. */
function countNothingAsConfirmed(rows: readonly StoredRow[]): StoredRow[] {
  return rows.map(({ table, key, value }) => {
    if (table !== 'channels') return { table, key, value }
    return { table, key, value: { confirmedDeposit: 0n, ...(value as OldRow) } }
  })
}

/**
 * Version 3 noted neither that a channel is being left, nor when its exit may be completed, nor when
 * and how what is settled was cleared.
 */
function fillInLeaving(rows: readonly StoredRow[]): StoredRow[] {
  return rows.map(({ table, key, value }) => {
    if (table !== 'channels') return { table, key, value }
    const { role, status, settled, seenAtMs } = value as OldRow
    const isLeaving = role === 'payer' && status === 'exiting'
    const seenOn = new Date((seenAtMs as number | undefined) ?? 0).toISOString().slice(0, 10)
    const cleared = settled ? { [seenOn]: { settled, setOff: 0n } } : {}
    return { table, key, value: { isLeaving, exitDueAtMs: null, cleared, ...(value as OldRow) } }
  })
}

interface FirstUndelivered extends OldRow {
  channelId: Uint8Array
  reqId: Uint8Array
}
