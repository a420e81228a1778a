import type { Address, Hex } from 'viem'
import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'

/** Wei for a unit of gas. */
export interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

/** A transaction that may be on its way: on disk before it leaves, gone once it is in a block. */
export interface SentTransaction extends Fees {
  nonce: number
  to: Address
  data: Hex
  gas?: bigint | undefined
  /** All that were sent under this nonce for this call, the last one last. */
  hashes: readonly Hex[]
  /** When it was sent last, ms since 1970: whoever lives sends it again while it sticks. */
  atMs: number
}

/** What one account sent on one chain and may still be in no block, whichever process sent it. */
export interface SentBook {
  /** Nothing of it is written where the nonce was used by somebody else before: the caller then undoes it. */
  note(sent: Omit<SentTransaction, 'atMs'>): Promise<() => Promise<void>>
  forget(nonce: number): Promise<void>
  /** In the order of their nonces, from `nonce` on; what is below is in a block. */
  from(nonce: number): Promise<SentTransaction[]>
}

export function createSentBook(
  { chainId, address }: { chainId: number; address: Address },
  { table, clock }: { table: Table<SentTransaction>; clock: Clock },
): SentBook {
  const prefix = `${chainId}:${address.toLowerCase()}:`
  const put = (nonce: number, row: SentTransaction | undefined) =>
    table.update(`${prefix}${nonce}`, () => row)

  return {
    note: async (sent) => {
      const before = await table.get(`${prefix}${sent.nonce}`)
      await put(sent.nonce, { ...sent, atMs: clock.now() })
      return async () => void (await put(sent.nonce, before))
    },
    forget: async (nonce) => void (await put(nonce, undefined)),
    from: async (nonce) => {
      const own = (await table.list()).filter(([key]) => key.startsWith(prefix))
      const rows = own.map(([, row]) => row).sort((one, other) => one.nonce - other.nonce)
      for (const row of rows) if (row.nonce < nonce) await put(row.nonce, undefined)
      return rows.filter((row) => row.nonce >= nonce)
    },
  }
}
