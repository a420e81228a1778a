import { LendingError } from '../errors.ts'
import type { Clock } from '../platform.ts'
import type { Deadlines } from './deadlines.ts'
import type { Inbox } from './duplex.ts'

/** Signs of life that a lender may send at once, and then for each beat: more than that is noise. */
const SPARE_BEATS = 20

/**
 * Reads a lender's frames and tells a dead one from one that takes long: `alive` shows that somebody
 * is there, and moves no other deadline.
 */
export function createLiveInbox(
  inbox: Inbox,
  { silenceMs, beatMs }: Pick<Deadlines, 'silenceMs' | 'beatMs'>,
  clock: Clock,
): Inbox {
  const startedMs = clock.now()
  let beats = 0

  function count(): void {
    beats++
    if (beats <= SPARE_BEATS + (2 * (clock.now() - startedMs)) / beatMs) return
    throw new LendingError('protocol', {
      what: 'the lender breaks the protocol',
      why: 'signs of life without end',
    })
  }

  return {
    next: async (ms, waitsFor, signal) => {
      const untilMs = clock.now() + ms
      for (;;) {
        const leftMs = Math.max(0, untilMs - clock.now())
        const isSilence = silenceMs < leftMs
        const what = isSilence ? 'sign of life' : waitsFor
        const frame = await inbox.next(isSilence ? silenceMs : leftMs, what, signal)
        if (frame.kind !== 'alive') return frame
        count()
      }
    },
  }
}
