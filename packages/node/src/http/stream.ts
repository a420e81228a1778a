import { setTimeout as delay } from 'node:timers/promises'
import { type Problem, problemOf } from './errors.ts'

export interface StreamInit {
  contentType: string
  /** How a failure is told once the stream has begun. */
  onFailure: (problem: Problem) => string
  /** Sent while there is nothing else to send, so that nobody thinks we died; null: nothing. */
  ping: string | null
  /** Nobody reads any more. */
  onCancel: () => void
  /** A failure in this time still has a status of its own; then the stream begins with a ping. @default 10 s */
  firstWithinMs?: number | undefined
  /** @default 15 s */
  pingMs?: number | undefined
}

export const SSE = 'text/event-stream; charset=utf-8'
export const NDJSON = 'application/x-ndjson'

/** One event that only has data. */
export function sseData(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

/** One event with a name. */
export function sseEvent(data: { type: string; [more: string]: unknown }): string {
  return `event: ${data.type}\n${sseData(data)}`
}

/**
 * Sends pieces of text as they come, no faster than they are read.
 * @throws what `pieces` throws before it gives anything
 */
export async function streamResponse(
  pieces: AsyncGenerator<string>,
  init: StreamInit,
): Promise<Response> {
  const { firstWithinMs = 10_000, pingMs = 15_000 } = init
  let pending: Promise<IteratorResult<string>> | undefined = pieces.next()
  if (init.ping === null) await pending
  else await within(pending, firstWithinMs)
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async pull(out) {
      try {
        pending ??= pieces.next()
        const step = init.ping === null ? await pending : await within(pending, pingMs)
        if (step === undefined) return out.enqueue(encoder.encode(init.ping ?? ''))
        pending = undefined
        if (step.done) return out.close()
        out.enqueue(encoder.encode(step.value))
      } catch (error) {
        out.enqueue(encoder.encode(init.onFailure(problemOf(error))))
        out.close()
      }
    },
    cancel() {
      init.onCancel()
      pending?.catch(() => {})
      void pieces.return(undefined).catch(() => {})
    },
  })
  const headers = { 'content-type': init.contentType, 'cache-control': 'no-cache' }
  return new Response(body, { headers })
}

/** What comes of `work`; undefined when that takes longer than `ms`. */
async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const over = new AbortController()
  try {
    return await Promise.race([work, delay(ms, undefined, { signal: over.signal, ref: false })])
  } finally {
    over.abort()
  }
}
