import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { EnergyCounter } from '@freehold/core/lending/energy'
import { readText } from './machine.ts'

/** What tells how much energy this machine takes; null: nothing does, or it may not be read. */
export async function findEnergyCounter(
  init: { sys?: string } = {},
): Promise<EnergyCounter | null> {
  const { sys = '/sys' } = init
  return (
    (await raplCounter(join(sys, 'class/powercap'))) ??
    batteryCounter(join(sys, 'class/power_supply'))
  )
}

/** The processors’ own counters, which begin again at their range. Often only root may read them. */
async function raplCounter(folder: string): Promise<EnergyCounter | null> {
  const names = await readdir(folder).catch(() => [])
  // `intel-rapl:0:0` is a part of `intel-rapl:0`.
  const packages = names.filter((name) => /^(intel|amd)-rapl(-mmio)?:\d+$/.test(name))
  const domains: { path: string; rangeUj: number; lastUj: number; wholeUj: number }[] = []
  const seen = new Set<string>()
  const isMapped = (name: string) => Number(name.includes('mmio'))
  for (const name of packages.sort((a, b) => isMapped(a) - isMapped(b))) {
    const path = join(folder, name)
    const uj = Number((await readText(join(path, 'energy_uj'))) ?? Number.NaN)
    const called = (await readText(join(path, 'name'))) ?? name
    // The same package may be there twice, by registers and by memory; `psys` holds all others.
    if (!Number.isFinite(uj) || seen.has(called) || called === 'psys') continue
    seen.add(called)
    const rangeUj = Number((await readText(join(path, 'max_energy_range_uj'))) ?? 0)
    domains.push({ path, rangeUj, lastUj: uj, wholeUj: 0 })
  }
  if (domains.length === 0) return null
  return {
    source: 'rapl',
    read: async () => {
      let sum = 0
      for (const domain of domains) {
        const uj = Number((await readText(join(domain.path, 'energy_uj'))) ?? Number.NaN)
        if (!Number.isFinite(uj)) return null
        if (uj < domain.lastUj) domain.wholeUj += domain.rangeUj
        domain.lastUj = uj
        sum += domain.wholeUj + uj
      }
      return sum / 1e6
    },
  }
}

/** What batteries hold falls by what is taken; while they charge they tell nothing. */
async function batteryCounter(folder: string): Promise<EnergyCounter | null> {
  const names = await readdir(folder).catch(() => [])
  const batteries: string[] = []
  for (const name of names) {
    const path = join(folder, name)
    const isOwn = (await readText(join(path, 'scope'))) !== 'Device'
    if ((await readText(join(path, 'type'))) === 'Battery' && isOwn) batteries.push(path)
  }
  const read = async () => {
    let joules = 0
    for (const path of batteries) {
      if ((await readText(join(path, 'status'))) !== 'Discharging') return null
      const joulesLeft = await heldJoules(path)
      if (joulesLeft === null) return null
      joules -= joulesLeft
    }
    return joules
  }
  return batteries.length > 0 ? { source: 'battery', read } : null
}

/** µWh, or µAh at a voltage. */
async function heldJoules(path: string): Promise<number | null> {
  const number = async (name: string) => {
    const text = await readText(join(path, name))
    return text === null ? null : Number(text)
  }
  const energy = await number('energy_now')
  if (energy !== null) return energy * 3.6e-3
  const [charge, voltage] = [await number('charge_now'), await number('voltage_now')]
  return charge === null || voltage === null ? null : charge * 3.6e-3 * (voltage / 1e6)
}
