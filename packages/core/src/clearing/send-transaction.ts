import {
  type Account,
  BaseError,
  type Chain,
  type Hex,
  NonceTooLowError,
  type PublicClient,
  type TransactionReceipt,
  type Transport,
  WaitForTransactionReceiptTimeoutError,
  type WalletClient,
} from 'viem'
import { ChainError } from '../errors.ts'
import type { createInTurn } from '../in-turn.ts'

export interface SendComponents {
  reader: PublicClient<Transport, Chain>
  writer: WalletClient<Transport, Chain, Account>
  /** Keeps two transactions of this process from taking one nonce. */
  inTurn: ReturnType<typeof createInTurn>
}

export interface SendInit {
  /** Not in a block after so long, it is sent again with a higher fee. */
  stuckMs: number
}

type Call = Parameters<WalletClient<Transport, Chain, Account>['writeContract']>[0]

/** Wei for a unit of gas. */
interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

/** Times that a transaction is sent again; with each its fee rises by a quarter at least. */
const MOST_TRIES = 8
/** Another process with the same account may take the nonce first. */
const NONCE_TRIES = 4

/**
 * Sends a simulated call and waits until it is in a block. One that sticks is replaced under its own
 * nonce, so that at most one of them counts.
 * @throws ChainError when it still is in no block after the last try
 */
export async function sendTransaction(
  call: Call,
  { stuckMs }: SendInit,
  { reader, writer, inTurn }: SendComponents,
): Promise<TransactionReceipt> {
  const first = await inTurn(async () => {
    for (let left = NONCE_TRIES; ; left--) {
      const { address } = writer.account
      const nonce = await reader.getTransactionCount({ address, blockTag: 'pending' })
      const fees = await reader.estimateFeesPerGas()
      try {
        return {
          nonce,
          fees,
          hash: await writer.writeContract({ ...call, nonce, ...fees } as Call),
        }
      } catch (error) {
        if (left === 0 || !isTaken(error)) throw error
      }
    }
  })
  let { fees, hash } = first
  const own = new Set<Hex>([hash])
  for (let left = MOST_TRIES; left > 0; left--) {
    try {
      const receipt = await reader.waitForTransactionReceipt({ hash, timeout: stuckMs })
      if (own.has(receipt.transactionHash)) return receipt
      // viem takes whatever stands under the nonce for a replacement of ours.
      throw new ChainError({
        what: 'another program used the nonce of a transaction',
        why: `${receipt.transactionHash} is in a block in its place`,
        next: 'Ask again; an account for each program keeps them apart',
      })
    } catch (error) {
      if (!isOf(error, WaitForTransactionReceiptTimeoutError)) throw error
    }
    fees = raised(fees, await reader.estimateFeesPerGas())
    try {
      hash = await writer.writeContract({ ...call, nonce: first.nonce, ...fees } as Call)
      own.add(hash)
    } catch (error) {
      // One of those before is in a block by now, or this one is no better: they are waited for.
      if (!isTaken(error)) throw error
    }
  }
  throw new ChainError({
    what: 'a transaction is in no block',
    why: `${hash}, with nonce ${first.nonce}, was sent ${MOST_TRIES} times with rising fees`,
  })
}

/** What nodes want at least is a tenth more. */
function raised(before: Fees, now: Fees): Fees {
  const higher = (name: keyof Fees) => {
    const quarterMore = (before[name] * 5n) / 4n + 1n
    return now[name] > quarterMore ? now[name] : quarterMore
  }
  return {
    maxFeePerGas: higher('maxFeePerGas'),
    maxPriorityFeePerGas: higher('maxPriorityFeePerGas'),
  }
}

function isTaken(error: unknown): boolean {
  return (
    isOf(error, NonceTooLowError) || /underpriced|already (?:known|imported)/i.test(String(error))
  )
}

function isOf(error: unknown, kind: new (...init: never[]) => Error): boolean {
  return error instanceof BaseError && error.walk((one) => one instanceof kind) !== null
}
