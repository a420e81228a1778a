const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 36e5 }

/**
 * Milliseconds of a duration as Ollama writes it: seconds, or numbers with their units such as `5m`
 * and `1h30m`. Below 0 is for good.
 * @throws RangeError when it is none
 */
export function durationMs(text: string): number {
  if (/^-?\d+(\.\d+)?$/.test(text)) return forGood(Number(text) * 1_000)
  const [, sign, rest = ''] = /^(-?)((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)$/.exec(text) ?? []
  if (rest === '') throw new RangeError(`"${text}" is no duration`)
  let ms = 0
  for (const [, count, unit = ''] of rest.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    ms += Number(count) * (UNIT_MS[unit] ?? 0)
  }
  return forGood(sign === '-' ? -ms : ms)
}

function forGood(ms: number): number {
  return ms < 0 ? Infinity : ms
}
