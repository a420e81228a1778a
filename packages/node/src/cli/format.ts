/** `1h02m`, `1m12s`, `7s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60]
  if (h >= 100) return '99h+'
  if (h > 0) return `${h}h${String(m).padStart(2, '0')}m`
  return m > 0 ? `${m}m${String(s).padStart(2, '0')}s` : `${s}s`
}

const STEPS: readonly (readonly [seconds: number, word: string])[] = [
  [365 * 86_400, 'year'],
  [30 * 86_400, 'month'],
  [7 * 86_400, 'week'],
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
]

/** `1 voucher`, `2 vouchers`. */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

/** `3 days ago`. */
export function formatAge(ms: number, nowMs: number): string {
  const seconds = Math.max(0, (nowMs - ms) / 1_000)
  for (const [step, word] of STEPS) {
    const count = Math.floor(seconds / step)
    if (count > 0) return `${counted(count, word)} ago`
  }
  return 'just now'
}

/** `1.2B` parameters. */
export function formatCount(count: number): string {
  for (const [step, letter] of [
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'K'],
  ] as const) {
    if (count >= step) return `${(count / step).toFixed(count >= 100 * step ? 0 : 1)}${letter}`
  }
  return String(count)
}
