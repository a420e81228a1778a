import type { Clock } from '../platform.ts'
import type { FrameDuplex } from './duplex.ts'

/** Says over a stream that this lender is there, for as long as that is true. */
export interface Pulse {
  /** The stream, as whoever answers sees it: what it sends is a sign of life by itself. */
  readonly duplex: FrameDuplex
  /** From now on the lender is there only if `check` resolves: it asks the engine. */
  watch(check: () => Promise<void>): void
  /** No more signs: the last frame that needs none is about to leave. */
  stop(): void
}

/**
 * Sends `alive` once nothing was sent for `beatMs`, from `open` to the receipt. While an engine does
 * not answer, no sign leaves: a lender that only says that it says something is as good as dead.
 */
export function createPulse(duplex: FrameDuplex, beatMs: number, clock: Clock): Pulse {
  let check: (() => Promise<void>) | null = null
  let isOver = false
  let cancel = () => {}

  function arm(): void {
    cancel()
    if (!isOver) cancel = clock.after(beatMs, () => void beat())
  }

  async function beat(): Promise<void> {
    try {
      await check?.()
      if (!isOver) await duplex.send({ kind: 'alive' })
    } catch {
      // The stream or the engine is gone, and whoever uses it hears of it.
      return
    }
    arm()
  }

  function stop(): void {
    isOver = true
    cancel()
  }

  arm()
  return {
    duplex: {
      ...duplex,
      receive: () => duplex.receive(),
      send: (...frames) => {
        arm()
        return duplex.send(...frames)
      },
    },
    watch: (asked) => {
      check = asked
    },
    stop,
  }
}
