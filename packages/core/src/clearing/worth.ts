import type { ChainOrders } from './chain.ts'

/** Gas of a settlement and of each row in it, of a set-off and of each edge (`npm run bench -- clearing`). */
const SETTLE_GAS = 27_000n
const ROW_GAS = 17_300n
const SET_OFF_GAS = 22_500n
const EDGE_GAS = 21_700n
/** What is cleared is worth its gas so many times: 5 % go into clearing. */
const GAS_FACTOR = 20n
const WEI_PER_COIN = 10n ** 18n

export interface WorthInit {
  /** Settle when what is unsettled reaches this many token units, where a coin's price is unknown. */
  worthUnits: bigint
  /** Token units that one native coin costs: then clearing must be worth `GAS_FACTOR` times its gas. */
  unitsPerCoin: bigint | null
}

type Gas = Pick<ChainOrders, 'weiPerGas'>

/** From how many token units on it pays to settle so many channels now. @throws ChainError */
export async function settlingWorth(
  { worthUnits, unitsPerCoin }: WorthInit,
  rows: number,
  gas: Gas,
): Promise<bigint> {
  if (unitsPerCoin === null) return worthUnits
  return unitsOf(SETTLE_GAS + ROW_GAS * BigInt(rows), unitsPerCoin, await gas.weiPerGas())
}

/**
 * From how many token units on each edge it pays to set off a ring of so many now: for whoever submits
 * it, that is what one settlement would have brought. @throws ChainError
 */
export async function settingOffWorth(
  { worthUnits, unitsPerCoin }: WorthInit,
  gas: Gas,
): Promise<(size: number) => bigint> {
  // A row of a settlement and each edge of a ring cost about as much gas as a transaction's own.
  if (unitsPerCoin === null) return (size) => (worthUnits * BigInt(size + 1)) / 2n
  const weiPerGas = await gas.weiPerGas()
  return (size) => unitsOf(SET_OFF_GAS + EDGE_GAS * BigInt(size), unitsPerCoin, weiPerGas)
}

/** Rounded up: what costs anything is not worth nothing. */
function unitsOf(gas: bigint, unitsPerCoin: bigint, weiPerGas: bigint): bigint {
  return (GAS_FACTOR * gas * weiPerGas * unitsPerCoin + WEI_PER_COIN - 1n) / WEI_PER_COIN
}
