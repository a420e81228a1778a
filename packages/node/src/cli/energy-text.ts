import type { Energy } from '@freehold/core/lending/energy'

/** What an answer took, behind what is said of it; empty where the machine does not tell. */
export function energyText(energy: Energy | null): string {
  if (energy === null) return ''
  const by = energy.source === 'rapl' ? 'of the processor' : 'of the battery'
  return `, ${energy.joules.toPrecision(3)} J ${by}`
}
