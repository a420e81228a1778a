/** How the machine is at one moment. null: it does not tell. */
export interface MachineState {
  isOnMains: boolean | null
  /** The hottest of its sensors, °C. */
  temperatureC: number | null
  /** Share of all cores that other programs use, 0 to 1. */
  foreignLoad: number | null
  /** Whether the owner is being answered now, and else how long that is ago. */
  isOwnRunning: boolean
  ownIdleMs: number
  /** Of the day, in the owner’s own time: 0 to 1439. */
  minute: number
  /** Whether the owner switched lending off. */
  isSwitchedOff: boolean
}

/** When a device may lend; what is left out makes no condition. */
export interface Politeness {
  /** While the owner asks nothing and other programs do little. */
  idle?: { afterMs: number } | undefined
  /** While it runs on mains power. */
  mains?: boolean | undefined
  /** °C. */
  maxTemperature?: number | undefined
  /** Minutes of the day: from the first on and before the second, over midnight too. */
  hours?: readonly [from: number, until: number] | undefined
}

/** Other programs may do so much: a desktop that nobody uses does a little. */
export const FOREIGN_LOAD = 0.25
/** Once it was too hot, it has to be so much cooler. */
export const COOLER_C = 5

/**
 * Why a device may not lend now; null: it may. What it does not tell counts against lending, and only
 * where the owner made it a condition.
 * @param isLending whether it may as of now: between two lines there is room not to flicker
 */
export function whyNotLend(
  state: MachineState,
  { idle, mains, maxTemperature, hours }: Politeness,
  isLending: boolean,
): string | null {
  if (state.isSwitchedOff) return 'its owner switched it off'
  if (hours !== undefined && !isWithin(state.minute, hours)) return 'it is outside of the hours'
  if (idle !== undefined) {
    if (state.isOwnRunning) return 'its owner is being answered'
    if (state.ownIdleMs < idle.afterMs) return 'its owner was just answered'
    if (state.foreignLoad === null) return 'what other programs do is unknown'
    // An own engine that starts or ends must not end what runs by a hair.
    const most = isLending ? 2 * FOREIGN_LOAD : FOREIGN_LOAD
    if (state.foreignLoad > most) return 'other programs are busy'
  }
  if (mains === true) {
    if (state.isOnMains === null) return 'whether it is on mains power is unknown'
    if (!state.isOnMains) return 'it runs on its battery'
  }
  if (maxTemperature !== undefined) {
    if (state.temperatureC === null) return 'its temperature is unknown'
    const most = isLending ? maxTemperature : maxTemperature - COOLER_C
    if (state.temperatureC > most) return 'it is too hot'
  }
  return null
}

function isWithin(minute: number, [from, until]: readonly [number, number]): boolean {
  if (from <= until) return from <= minute && minute < until
  return minute >= from || minute < until
}
