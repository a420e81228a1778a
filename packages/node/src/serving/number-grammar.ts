/** GBNF of numbers within bounds. */

export interface Bounds {
  minimum?: number | undefined
  maximum?: number | undefined
  exclusiveMinimum?: number | undefined
  exclusiveMaximum?: number | undefined
}

/** As many digits as a number keeps exactly, with some for the fraction. */
const FAR = 999_999_999_999_999
const FAR_WITH_FRACTION = 999_999_999
/** Few enough that no written number is rounded onto a bound. */
const FRACTION_DIGITS = 6

/** @returns undefined when no integer is within */
export function integerRange(bounds: Bounds): string | undefined {
  const { minimum = -FAR, maximum = FAR, exclusiveMinimum, exclusiveMaximum } = bounds
  const above = exclusiveMinimum === undefined ? -FAR : Math.floor(exclusiveMinimum) + 1
  const below = exclusiveMaximum === undefined ? FAR : Math.ceil(exclusiveMaximum) - 1
  const low = Math.max(Math.ceil(minimum), above, -FAR)
  const high = Math.min(Math.floor(maximum), below, FAR)
  if (low > high) return undefined
  const ways: string[] = []
  if (low < 0) ways.push(`"-" ${digits(Math.max(1, -high), -low)}`)
  if (high >= 0) ways.push(digits(Math.max(0, low), high))
  return `(${ways.join(' | ')})`
}

/** @returns undefined when there is no number within, or a bound is no integer */
export function numberRange(bounds: Bounds): string | undefined {
  const lows = [bounds.minimum, bounds.exclusiveMinimum].filter((bound) => bound !== undefined)
  const highs = [bounds.maximum, bounds.exclusiveMaximum].filter((bound) => bound !== undefined)
  const low = Math.max(-FAR_WITH_FRACTION, ...lows)
  const high = Math.min(FAR_WITH_FRACTION, ...highs)
  if (!Number.isInteger(low) || !Number.isInteger(high)) return undefined
  const isLowOut = bounds.exclusiveMinimum === low
  const isHighOut = bounds.exclusiveMaximum === high
  const ways: string[] = []
  if (low < 0) {
    const near = { value: Math.max(0, -high), isOut: high < 0 ? isHighOut : true }
    const part = magnitude(near, { value: -low, isOut: isLowOut })
    if (part !== undefined) ways.push(`"-" ${part}`)
  }
  if (high >= 0) {
    const near = { value: Math.max(0, low), isOut: low >= 0 && isLowOut }
    const part = magnitude(near, { value: high, isOut: isHighOut })
    if (part !== undefined) ways.push(part)
  }
  return ways.length > 0 ? `(${ways.join(' | ')})` : undefined
}

interface End {
  value: number
  isOut: boolean
}

/** Numbers without a sign from `near` to `far`. */
function magnitude(near: End, far: End): string | undefined {
  const ways: string[] = []
  if (near.value < far.value) {
    const isNotZero = `"." [0-9]{0,${FRACTION_DIGITS - 1}} [1-9]`
    ways.push(`"${near.value}" ${near.isOut ? isNotZero : FRACTION}`)
    if (near.value + 1 < far.value)
      ways.push(`${digits(near.value + 1, far.value - 1)} ${FRACTION}`)
    if (!far.isOut) ways.push(`"${far.value}"`)
  } else if (near.value === far.value && !near.isOut && !far.isOut) {
    ways.push(`"${near.value}"`)
  }
  return ways.length > 0 ? `(${ways.join(' | ')})` : undefined
}

const FRACTION = `("." [0-9]{1,${FRACTION_DIGITS}})?`

/** The digits of all integers from `low` to `high`, neither below 0. */
function digits(low: number, high: number): string {
  const ways: string[] = []
  for (let length = String(low).length; length <= String(high).length; length++) {
    const from = Math.max(low, length === 1 ? 0 : 10 ** (length - 1))
    const to = Math.min(high, 10 ** length - 1)
    ways.push(sameLength(String(from), String(to)))
  }
  return `(${ways.join(' | ')})`
}

/** The digits between two texts of the same length. */
function sameLength(low: string, high: string): string {
  if (low === '') return ''
  if (/^0+$/.test(low) && /^9+$/.test(high)) return `[0-9]{${low.length}}`
  const [first, last] = [Number(low[0]), Number(high[0])]
  const [restLow, restHigh] = [low.slice(1), high.slice(1)]
  if (first === last) return `"${first}" ${sameLength(restLow, restHigh)}`
  const nines = '9'.repeat(restLow.length)
  const ways = [`"${first}" ${sameLength(restLow, nines)}`]
  if (first + 1 < last) ways.push(`[${first + 1}-${last - 1}] ${anyDigits(restLow.length)}`)
  ways.push(`"${last}" ${sameLength(nines.replaceAll('9', '0'), restHigh)}`)
  return `(${ways.join(' | ')})`
}

function anyDigits(count: number): string {
  return count === 0 ? '' : `[0-9]{${count}}`
}
