import { setTimeout } from 'node:timers/promises'
import { ModelError } from '@freehold/core/errors'
import { RetryError } from './http-errors.ts'

export interface RetryInit {
  /** Failures in a row, without a byte between them, before it is given up. */
  attempts: number
  /** Called before each wait. */
  onWait?: ((why: string, ms: number) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface RetryComponents {
  /** Waits, or throws the signal's reason. */
  wait(ms: number, signal: AbortSignal | undefined): Promise<void>
}

export const realWait: RetryComponents = {
  wait: async (ms, signal) => {
    await setTimeout(ms, undefined, { signal })
  },
}

const FIRST_WAIT_MS = 1_000
const MAX_WAIT_MS = 30_000

/**
 * Does `work` until it succeeds, waiting longer after each failure, or as long as the host says.
 * @param work is told how to say that it got on: then it has all its attempts again
 * @throws ModelError when it was tried often enough; whatever else than RetryError `work` throws
 */
export async function withRetries<T>(
  work: (gotOn: () => void) => Promise<T>,
  { attempts, onWait, signal }: RetryInit,
  { wait }: RetryComponents = realWait,
): Promise<T> {
  let failures = 0
  const gotOn = () => {
    failures = 0
  }
  for (;;) {
    try {
      return await work(gotOn)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof RetryError)) throw error
      failures++
      if (failures >= attempts) {
        throw new ModelError({
          what: 'the download was given up',
          why: `${error.message} (${failures} attempts)`,
          next: 'What was fetched is kept: the same command goes on there',
          cause: error,
        })
      }
      // Not all at the same moment: half of the wait is by chance.
      const growing = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1))
      const ms = error.afterMs ?? growing * (0.5 + Math.random() / 2)
      onWait?.(error.message, ms)
      await wait(ms, signal)
    }
  }
}
