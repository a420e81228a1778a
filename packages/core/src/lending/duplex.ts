import { LendingError, WireError } from '../errors.ts'
import type { Clock } from '../platform.ts'
import type { Frame } from '../wire/frames.ts'

/** Frames in both directions in order, over whatever carries them. */
export interface FrameDuplex {
  /** Hands frames over, all in one go; resolves when the carrier can take more. */
  send(...frames: Frame[]): Promise<void>
  /** The other side's next frame; null when it has closed. @throws WireError for anything else */
  receive(): Promise<Frame | null>
  /** Ends this side in good order. */
  close(): Promise<void>
  /** Ends both sides at once. */
  abort(reason: Error): void
}

/** Reads frames with deadlines. One reader for each duplex. */
export interface Inbox {
  /**
   * The next frame within `ms`. An aborted wait loses no frame: the next call gets it.
   * @throws LendingError `deadline`, `lost`, `protocol`, or `cancelled` by `signal`
   */
  next(ms: number, waitsFor: string, signal?: AbortSignal): Promise<Frame>
}

export function createInbox(duplex: FrameDuplex, clock: Clock): Inbox {
  let pending: Promise<Frame | null> | undefined
  return {
    async next(ms, waitsFor, signal) {
      if (signal?.aborted) throw cancelled()
      pending ??= duplex.receive()
      const current = pending
      const late = Promise.withResolvers<never>()
      const stop = clock.after(ms, () =>
        late.reject(
          new LendingError('deadline', {
            what: 'the other device is silent',
            why: `no ${waitsFor} within ${ms} ms`,
          }),
        ),
      )
      const abort = () => late.reject(cancelled())
      signal?.addEventListener('abort', abort)
      try {
        const frame = await Promise.race([current, late.promise])
        pending = undefined
        if (frame === null) throw new LendingError('lost', { what: 'the other device hung up' })
        return frame
      } catch (error) {
        throw asLendingError(error)
      } finally {
        stop()
        signal?.removeEventListener('abort', abort)
        current.catch(() => {})
      }
    },
  }
}

function cancelled(): LendingError {
  return new LendingError('cancelled', { what: 'the answer was cancelled' })
}

/** Gives every failure of an answer one of the stable reasons. */
export function asLendingError(error: unknown): LendingError {
  if (error instanceof LendingError) return error
  if (error instanceof WireError) {
    return new LendingError('protocol', {
      what: 'the other device breaks the protocol',
      why: error.message,
      cause: error,
    })
  }
  if (error instanceof Error && error.name === 'ClearingError') {
    return new LendingError('payment', { what: error.message, cause: error })
  }
  if (error instanceof Error && (error.name === 'EngineError' || error.name === 'ModelError')) {
    return new LendingError('engine', { what: error.message, cause: error })
  }
  if (error instanceof Error && error.name === 'AbortError') return cancelled()
  const why = error instanceof Error ? error.message : String(error)
  return new LendingError('lost', { what: 'the connection broke', why, cause: error })
}

/** Resolves to whether `work` ended well within `ms`; whatever it does later is nobody's concern. */
export async function endsWithin(work: Promise<unknown>, ms: number, clock: Clock) {
  const late = Promise.withResolvers<boolean>()
  const stop = clock.after(ms, () => late.resolve(false))
  const done = work.then(
    () => true,
    () => false,
  )
  const isDone = await Promise.race([done, late.promise])
  stop()
  return isDone
}

/** A sentence as it may travel: one line, nothing unseemly, at most 200 characters. */
export function plainText(text: string): string {
  return text
    .replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, ' ')
    .slice(0, 200)
    .toWellFormed()
}

/** @throws LendingError `protocol` naming what came instead */
export function unexpected(frame: Frame, state: string): never {
  throw new LendingError('protocol', {
    what: 'the other device breaks the protocol',
    why: `${frame.kind} while ${state}`,
  })
}
