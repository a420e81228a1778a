import { UsageError } from '@freehold/core/errors'

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']
const FACTORS: Readonly<Record<string, number>> = {
  ...{ b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, k: 1e3, m: 1e6, g: 1e9, t: 1e12 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 },
}

/** A size for people, decimal as disks and downloads are: `1.5 GB`, at most three digits. */
export function sizeText(bytes: number): string {
  let [value, unit] = [bytes, 0]
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1_000
  return `${value.toFixed(unit === 0 || value >= 99.95 ? 0 : 1)} ${UNITS[unit]}`
}

/** Reads `1.5GB`, `800 MiB` or `4g`. @throws UsageError */
export function parseSize(text: string): number {
  const [, number = '', unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(text) ?? []
  const factor = FACTORS[unit.toLowerCase()]
  if (factor !== undefined && Number(number) > 0) return Math.floor(Number(number) * factor)
  throw new UsageError({ what: `"${text}" is no size`, next: 'Write it like 1.5GB or 800MiB.' })
}
