/** The middle of some numbers, or the mean of the two that are there. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2
}

/** A figure for people: so many digits that mean something. */
export function rounded(value: number, digits = 4): number {
  return Number(value.toPrecision(digits))
}
