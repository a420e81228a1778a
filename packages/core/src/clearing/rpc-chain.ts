import type { Address } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { Chain } from './chain.ts'
import { confirmationsOf } from './confirmations.ts'
import { createRpcNodes } from './rpc-nodes.ts'
import type { SentTransaction } from './sent-transactions.ts'
import { createViemChain } from './viem-chain.ts'

/** Which chain a device clears on. A central point: replaceable, and absent by default. */
export interface ChainSettings {
  /** URL of a node that answers JSON-RPC, or several: the first that is well is asked. */
  rpc: string | readonly string[]
  chainId: number
  house: Address
  token: Address
  /** How many blocks make a deposit certain. @default 3, and 0 on a development chain */
  confirmations?: number | undefined
}

/** How long one question to the chain may take; never on the path of an answer. */
const RPC_MS = 5_000

/** The chain behind one RPC node or several, over HTTP. */
export function createRpcChain(
  settings: ChainSettings,
  {
    account,
    clock,
    sent,
  }: { account: PrivateKeyAccount; clock: Clock; sent?: Table<SentTransaction> | undefined },
): Chain {
  const { rpc, chainId, house, token } = settings
  const confirmations = confirmationsOf(settings)
  return createViemChain(
    { house: { chainId, address: house }, token, account, confirmations },
    {
      transport: createRpcNodes({ urls: [rpc].flat(), chainId, timeoutMs: RPC_MS }, { clock }),
      ...{ clock, sent },
    },
  )
}
