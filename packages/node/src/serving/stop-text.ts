/** Text that comes in parts, shown up to the first of some stop texts. */
export interface StopText {
  /** @returns what is certain now; nothing may be pushed after `stop` was told */
  push(text: string): { text: string; stop: string | null }
  /** @returns what was held back */
  end(): string
}

/**
 * Creates it. The stop text that is complete first ends the text, the longest one if several are,
 * however the parts are cut.
 */
export function createStopText(stops: readonly string[]): StopText {
  const longest = Math.max(0, ...stops.map((stop) => stop.length))
  let held = ''

  function firstStop(): { at: number; stop: string } | undefined {
    const found = stops
      .map((stop) => ({ at: held.indexOf(stop), stop }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at + a.stop.length - b.at - b.stop.length || a.at - b.at)
    return found[0]
  }

  /** Length of the longest end of `held` that some stop text begins with. */
  function doubtful(): number {
    for (let length = Math.min(held.length, longest - 1); length > 0; length--) {
      const end = held.slice(-length)
      if (stops.some((stop) => stop.length > length && stop.startsWith(end))) return length
    }
    return 0
  }

  return {
    push(text) {
      held += text
      const found = firstStop()
      const until = found?.at ?? held.length - doubtful()
      const certain = held.slice(0, until)
      held = found === undefined ? held.slice(until) : ''
      return { text: certain, stop: found?.stop ?? null }
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }
}
