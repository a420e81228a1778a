import { LendingError } from '../errors.ts'

/** Streams to one lender at once, audits that still wait included; a connection carries 16. */
const MOST_STREAMS = 12

/** A stream to a lender that this device may open, until it is given back. */
export interface Turn {
  /**
   * Runs `work`. Told that the lender is busy, it waits until another answer of this device has
   * ended there and tries again; with none of them there is nothing to wait for.
   */
  run<T>(work: () => Promise<T>, init?: { signal?: AbortSignal | undefined }): Promise<T>
  /** Gives the stream back; calling it twice does no harm. */
  end(): void
}

/** This device's own line at each lender: who asks for much waits here, not there. */
export interface Turns {
  /** @param lender device key, hex */
  take(lender: string, init?: { signal?: AbortSignal | undefined }): Promise<Turn>
}

interface Line {
  streams: number
  /** Answers that run or are being asked for, and how many have ended. */
  running: number
  ended: number
  /** Wakes who waits for a stream, or for an answer to end. */
  wake: Set<() => void>
}

export function createTurns(mostStreams: number = MOST_STREAMS): Turns {
  const lines = new Map<string, Line>()

  function change(line: Line): void {
    const waiting = [...line.wake]
    line.wake.clear()
    for (const wake of waiting) wake()
  }

  async function untilChange(line: Line, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw cancelled()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = () => {
      line.wake.delete(resolve)
      reject(cancelled())
    }
    line.wake.add(resolve)
    signal?.addEventListener('abort', abort, { once: true })
    await promise.finally(() => signal?.removeEventListener('abort', abort))
  }

  async function run<T>(
    line: Line,
    work: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    for (;;) {
      const { ended } = line
      let isWaiting = false
      line.running++
      try {
        return await work()
      } catch (error) {
        const isBusy = error instanceof LendingError && error.reason === 'busy'
        isWaiting = isBusy && (line.ended > ended || line.running > 1)
        if (!isWaiting) throw error
      } finally {
        line.running--
        if (!isWaiting) {
          line.ended++
          change(line)
        }
      }
      while (line.ended === ended) await untilChange(line, signal)
    }
  }

  return {
    take: async (lender, { signal } = {}) => {
      const line = lines.get(lender) ?? { streams: 0, running: 0, ended: 0, wake: new Set() }
      lines.set(lender, line)
      while (line.streams >= mostStreams) await untilChange(line, signal)
      line.streams++
      let isOpen = true
      return {
        run: (work, init = {}) => run(line, work, init.signal),
        end: () => {
          if (!isOpen) return
          isOpen = false
          line.streams--
          change(line)
        },
      }
    },
  }
}

function cancelled(): LendingError {
  return new LendingError('cancelled', { what: 'the answer was cancelled' })
}
