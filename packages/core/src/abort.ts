import type { Clock } from './platform.ts'

/** A signal that also aborts once `ms` have passed. */
export function withinTime(signal: AbortSignal | undefined, ms: number): AbortSignal {
  const late = AbortSignal.timeout(ms)
  return signal ? AbortSignal.any([signal, late]) : late
}

/** Waits for `work`, or throws what `signal` is aborted for first; the work itself goes on then. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal?.removeEventListener('abort', abort)
    work.catch(() => {})
  }
}

/** Waits so long by `clock`, or throws what `signal` is aborted for first. */
export async function pause(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(ms, resolve)
  try {
    await orAborted(promise, signal)
  } finally {
    cancel()
  }
}
