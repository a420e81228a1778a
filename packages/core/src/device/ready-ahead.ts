import { orAborted } from '../abort.ts'
import { equal } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { greetLender, type ReadyLender } from '../lending/borrower.ts'
import type { FrameDuplex } from '../lending/duplex.ts'
import type { Terms } from '../wire/transcript.ts'
import { isFault } from './answer-parts.ts'
import type { Parts } from './parts.ts'

/** What an answer is asked for under, besides its own id. */
export type OpenTerms = Omit<Terms['open'], 'reqId'>

/**
 * Lenders that are ready before the next question is there: in a conversation it then leaves at once, instead of after a round trip. No content
 * leaves for that, and what was agreed on is what the offer says that `open` names.
 */
export interface ReadyAhead {
  /**
   * Asks a lender to be ready for one more answer. What comes in the way of it is nobody's concern.
   * @param open null: there is no good way to it now
   */
  prepare(lender: string, terms: OpenTerms, open: () => Promise<FrameDuplex | null>): void
  /**
   * Whoever is ready for just this; null: nobody.
   * @throws LendingError when it was being asked, and is lost or silent: asking again would wait as long again
   */
  take(
    lender: string,
    terms: OpenTerms,
    init: { signal?: AbortSignal | undefined },
  ): Promise<ReadyLender | null>
  /** Lets all of them go. */
  close(): void
}

/** Of a lender that is ready by its word for `readyMs`, so much is left to the request on its way. */
const ON_THE_WAY_MS = 10_000
/** Whoever else was asked longest ago is let go. */
const MOST_LENDERS = 4

interface Waiting {
  terms: OpenTerms
  sinceMs: number
  /** null: it is not ready. */
  ready: Promise<ReadyLender | null>
  /** Why it is not. */
  error: unknown
  /** Ends the watch over it. */
  stop: AbortController
  /** Whether it is still ready, once the watch has ended. */
  watched: Promise<boolean>
}

export function createReadyAhead({
  clock,
  random,
  deadlines,
  log,
}: Pick<Parts, 'clock' | 'random' | 'deadlines' | 'log'>): ReadyAhead {
  const all = new Map<string, Waiting>()

  async function greet(
    terms: OpenTerms,
    open: () => Promise<FrameDuplex | null>,
  ): Promise<ReadyLender | null> {
    const duplex = await open()
    const asked = { open: { ...terms, reqId: random(16) }, deadlines }
    return duplex && greetLender(duplex, asked, { clock })
  }

  /** Nothing comes of a lender that is ready but signs of life: anything else means that it is not. */
  async function watch(ready: ReadyLender | null, stop: AbortController): Promise<boolean> {
    if (ready === null) return false
    try {
      const { kind } = await ready.live.next(deadlines.readyMs, 'request', stop.signal)
      log('ahead.ended', { kind })
    } catch (error) {
      if (stop.signal.aborted) return true
      log('ahead.ended', { error: String(error) })
    }
    ready.duplex.abort(noQuestion())
    return false
  }

  function letGo({ stop, ready }: Waiting): void {
    stop.abort()
    ready.then((one) => one?.duplex.abort(noQuestion())).catch(() => {})
  }

  function drop(lender: string): void {
    const one = all.get(lender)
    all.delete(lender)
    if (one !== undefined) letGo(one)
  }

  return {
    prepare: (lender, terms, open) => {
      drop(lender)
      const [oldest] = all.keys()
      if (oldest !== undefined && all.size >= MOST_LENDERS) drop(oldest)
      const stop = new AbortController()
      const ready = greet(terms, open).catch((error) => {
        log('ahead.not-ready', { error: String(error) })
        waiting.error = error
        return null
      })
      const watched = ready.then((one) => watch(one, stop))
      const waiting: Waiting = { terms, sinceMs: clock.now(), ready, error: null, stop, watched }
      all.set(lender, waiting)
      watched
        .then((isReady) => {
          if (!isReady && all.get(lender) === waiting) all.delete(lender)
        })
        .catch(() => {})
    },
    take: async (lender, terms, { signal }) => {
      const one = all.get(lender)
      if (one === undefined) return null
      const isOver = clock.now() - one.sinceMs > deadlines.readyMs - ON_THE_WAY_MS
      if (isOver || !isSame(one.terms, terms)) {
        drop(lender)
        return null
      }
      all.delete(lender)
      const ready = await orAborted(one.ready, signal).catch((cause) => {
        letGo(one)
        throw cause
      })
      const { error } = one
      if (error instanceof LendingError && isFault(error.reason)) throw error
      one.stop.abort()
      return (await one.watched) ? ready : null
    },
    close: () => {
      for (const lender of [...all.keys()]) drop(lender)
    },
  }
}

function isSame(one: OpenTerms, other: OpenTerms): boolean {
  const isSameChannel =
    one.channelId === null || other.channelId === null
      ? one.channelId === other.channelId
      : equal(one.channelId, other.channelId)
  return (
    isSameChannel &&
    one.scope === other.scope &&
    equal(one.offerHash, other.offerHash) &&
    equal(one.modelId, other.modelId)
  )
}

function noQuestion(): LendingError {
  return new LendingError('cancelled', { what: 'there is no further question' })
}
