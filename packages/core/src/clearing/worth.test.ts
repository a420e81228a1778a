import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { settingOffWorth, settlingWorth } from './worth.ts'

const GWEI = 10n ** 9n
/** A gas costs a millionth of a coin, a coin as many units: one unit for each gas. */
const PRICED = { worthUnits: 1_000n, unitsPerCoin: 10n ** 9n }
const at = (weiPerGas: bigint) => ({ weiPerGas: async () => weiPerGas })
const never = { weiPerGas: () => Promise.reject(new Error('nobody asks the chain')) }

async function measured(name: string): Promise<number> {
  const snapshots = new URL('../../../contracts/snapshots/ClearingHouse.json', import.meta.url)
  return Number(JSON.parse(await readFile(snapshots, 'utf8'))[name])
}

describe('what is worth its gas', () => {
  it('default: twenty times the gas, in token units, of what it takes now', async () => {
    const settle = await settlingWorth(PRICED, 1, at(GWEI))
    expect(settle).toBe(20n * 44_300n)
    const least = await settingOffWorth(PRICED, at(GWEI))
    expect([2, 3].map(least)).toEqual([20n * 65_900n, 20n * 87_600n])
    const dearer = await settingOffWorth(PRICED, at(3n * GWEI))
    expect(dearer(2)).toBe(3n * least(2))
  })

  it('behaviour: the gas is what the snapshots of the contract say, within two in a hundred', async () => {
    const perGas = async (units: bigint) => Number(units) / 20
    const ratio = async (units: bigint, name: string) =>
      (await perGas(units)) / (await measured(name))
    const least = await settingOffWorth(PRICED, at(GWEI))
    for (const found of [
      await ratio(least(2), 'setOff, ring of 2'),
      await ratio(least(3), 'setOff, ring of 3'),
      await ratio(least(10), 'setOff, ring of 10'),
      await ratio(await settlingWorth(PRICED, 1, at(GWEI)), 'settleMany, 1 row'),
      await ratio(await settlingWorth(PRICED, 100, at(GWEI)), 'settleMany, 100 rows'),
    ]) {
      expect(found).toBeGreaterThan(0.98)
      expect(found).toBeLessThan(1.04)
    }
  })

  it('behaviour: where a coin’s price is unknown, the owner’s number, and no question to the chain', async () => {
    const init = { worthUnits: 1_000n, unitsPerCoin: null }
    expect(await settlingWorth(init, 7, never)).toBe(1_000n)
    const least = await settingOffWorth(init, never)
    expect([2, 3].map(least)).toEqual([1_500n, 2_000n])
  })

  it('behaviour: what costs anything is never worth nothing', async () => {
    const init = { worthUnits: 0n, unitsPerCoin: 1n }
    expect(await settlingWorth(init, 1, at(1n))).toBe(1n)
  })
})
