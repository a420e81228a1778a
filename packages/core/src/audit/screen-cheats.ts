import { type CalibrationTable, cellWeights, endingWeights, meanWeight } from './calibration.ts'
import { EARLY_STOP } from './verdict.ts'

/** What a table says of honesty, and of the ways to cheat that can be held against somebody. */
export type ScreenedCheats = Pick<CalibrationTable, 'honest' | 'cheats' | 'earlyStop' | 'leftOut'>

/** Share of the usual honest drift that each honest pair must have: the rest is room for others. */
const LEAST_DRIFT = 0.5

/**
 * Adds honest pairs up, and leaves out the ways to cheat that one of them comes too near to: by
 * their weights every single pair must lose at least half as much with each token as all do on
 * average. Else some honest pool, which grows without end, might rise to the line.
 * @param pairs counts by cell of each honest pair @param earlyStop counts of ends; empty: none
 */
export function screenCheats(
  pairs: readonly (readonly number[])[],
  cheats: Readonly<Record<string, readonly number[]>>,
  earlyStop: readonly number[],
): ScreenedCheats {
  const honest = (pairs[0] ?? []).map((_, cell) =>
    pairs.reduce((sum, pair) => sum + (pair[cell] ?? 0), 0),
  )
  const leftOut: Record<string, string> = {}
  const isSafe = (kind: string, weights: readonly number[]) => {
    const usual = meanWeight(weights, honest)
    const worst = Math.max(...pairs.map((pair) => meanWeight(weights, pair)))
    if (usual < 0 && worst <= LEAST_DRIFT * usual) return true
    leftOut[kind] =
      `an honest pair drifts by ${worst.toFixed(5)} nats a token, where all do by ${usual.toFixed(5)}`
    return false
  }
  const kept = Object.entries(cheats).filter(([kind, counts]) =>
    isSafe(kind, cellWeights(honest, counts)),
  )
  const isEndSafe = earlyStop.length > 0 && isSafe(EARLY_STOP, endingWeights(honest, earlyStop))
  return {
    honest,
    cheats: Object.fromEntries(kept),
    earlyStop: isEndSafe ? earlyStop : [],
    leftOut,
  }
}
