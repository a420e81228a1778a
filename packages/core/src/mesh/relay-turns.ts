import { RELAYED_PER_MINUTE, RELAYED_PER_MINUTE_IN_ALL } from './relay-limits.ts'

const WINDOW_MS = 60_000

/** Counts relayed connections within a minute. @returns whether `peer` may have one more now */
export function createRelayTurns(now: () => number): (peer: string) => boolean {
  let endsAtMs = 0
  let inAll = 0
  const taken = new Map<string, number>()
  return (peer) => {
    if (now() >= endsAtMs) {
      endsAtMs = now() + WINDOW_MS
      inAll = 0
      taken.clear()
    }
    const own = taken.get(peer) ?? 0
    if (own >= RELAYED_PER_MINUTE || inAll >= RELAYED_PER_MINUTE_IN_ALL) return false
    taken.set(peer, own + 1)
    inAll++
    return true
  }
}
