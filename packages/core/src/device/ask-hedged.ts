import type { Clock } from '../platform.ts'

/** So many are asked at once. */
const MOST_AT_ONCE = 2

export interface HedgeInit<From extends NonNullable<unknown>, Outcome> {
  /**
   * Asks one of them; what comes of it is its result, whatever that is: it never throws. `signal` aborts when somebody else
   * has spoken; `beside` are those who are being asked already.
   */
  ask(
    from: From,
    init: {
      signal: AbortSignal
      onTokens: (ids: readonly number[]) => void
      beside: readonly From[]
    },
  ): Promise<Outcome>
  /** Somebody who was not asked yet; null: there is nobody. */
  next(asked: readonly From[]): Promise<From | null>
  /** How long nobody may say a word until one more is asked, in milliseconds; null: for ever. */
  hedgeMs: number | null
  /** Called with what the speaker says, and with nobody else's words. */
  onTokens: (ids: readonly number[]) => void
  signal?: AbortSignal | undefined
}

/**
 * Asks one, and one more when there is no word after a while, or when the one more fails; who speaks first goes on alone. Hedged requests:
 * J. Dean, L. A. Barroso, The Tail at Scale, CACM 56(2), 2013.
 * @returns what came of the speaker, or of the first if nobody spoke, and of the others in the order in which they ended
 */
export async function askHedged<From extends NonNullable<unknown>, Outcome>(
  first: From,
  init: HedgeInit<From, Outcome>,
  { clock }: { clock: Clock },
): Promise<{ main: Outcome; others: Outcome[] }> {
  const { hedgeMs, signal } = init
  const running = new Map<From, AbortController>()
  const ended = new Map<From, Outcome>()
  const works: Promise<void>[] = []
  const asked: From[] = []
  let speaker: From | null = null
  let wake = () => {}

  function hear(from: From, ids: readonly number[]): void {
    if (speaker === null) {
      speaker = from
      for (const [other, stop] of running) if (other !== from) stop.abort()
      wake()
    }
    if (speaker === from) init.onTokens(ids)
  }

  async function start(from: From): Promise<void> {
    const beside = [...running.keys()]
    const stop = new AbortController()
    running.set(from, stop)
    asked.push(from)
    const outcome = await init.ask(from, {
      signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
      onTokens: (ids) => hear(from, ids),
      beside,
    })
    running.delete(from)
    ended.set(from, outcome)
    wake()
  }

  works.push(start(first))
  let mayHedge = hedgeMs !== null
  const isSilent = () => speaker === null && running.size > 0 && !signal?.aborted
  while (isSilent()) {
    const { promise, resolve } = Promise.withResolvers<void>()
    wake = resolve
    const isFull = running.size >= MOST_AT_ONCE
    const cancel = mayHedge && !isFull ? clock.after(hedgeMs ?? 0, resolve) : () => {}
    await promise
    cancel()
    if (!mayHedge || !isSilent() || running.size >= MOST_AT_ONCE) continue
    const other = await init.next(asked)
    if (other === null) mayHedge = false
    else if (isSilent()) works.push(start(other))
  }
  await Promise.all(works)
  const main = speaker ?? first
  const others = [...ended].filter(([from]) => from !== main).map(([, outcome]) => outcome)
  return { main: ended.get(main) as Outcome, others }
}
