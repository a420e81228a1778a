import type { Clock } from '@freehold/core/platform'

/** What a line does to frames, the same in both directions. */
export interface LineKind {
  /** How long each frame is on its way, once it has left. */
  onewayMs: number
  /** Share of frames that never arrive. */
  loss: number
  /** How fast they leave; what waits for more than `MOST_WAIT_MS` is dropped, as routers do. */
  bytesPerSecond: number
}

/** A queue of a router at home: enough for TCP to find the rate, and no bloat. */
const MOST_WAIT_MS = 200

/**
 * One direction of a line.
 * @param dice gives numbers of [0, 1); which frames are lost follows from them
 * @returns what takes a frame in
 */
export function createLine<Frame extends { length: number }>(
  { onewayMs, loss, bytesPerSecond }: LineKind,
  { clock, dice, deliver }: Parts<Frame>,
): (frame: Frame) => void {
  let freeAtMs = 0
  const under: { frame: Frame; dueMs: number }[] = []
  let isWaiting = false

  function handOver(): void {
    isWaiting = false
    const now = clock.now()
    while (under[0] !== undefined && under[0].dueMs <= now) deliver(under.shift()!.frame)
    const [next] = under
    if (next === undefined) return
    isWaiting = true
    clock.after(Math.max(1, Math.round(next.dueMs - now)), handOver)
  }

  return (frame) => {
    const now = clock.now()
    if (dice() < loss || freeAtMs - now > MOST_WAIT_MS) return
    freeAtMs = Math.max(freeAtMs, now) + (1_000 * frame.length) / bytesPerSecond
    under.push({ frame, dueMs: freeAtMs + onewayMs })
    if (!isWaiting) handOver()
  }
}

interface Parts<Frame> {
  clock: Pick<Clock, 'now' | 'after'>
  dice: () => number
  deliver: (frame: Frame) => void
}
