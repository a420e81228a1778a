import type { ChainSettings } from './rpc-chain.ts'

/** Its blocks come only with transactions. */
const DEVELOPMENT_CHAIN = 31_337
const CONFIRMATIONS = 3

/** How many blocks deep a deposit is certain on a chain. */
export function confirmationsOf({
  chainId,
  confirmations,
}: Pick<ChainSettings, 'chainId' | 'confirmations'>): number {
  return confirmations ?? (chainId === DEVELOPMENT_CHAIN ? 0 : CONFIRMATIONS)
}
