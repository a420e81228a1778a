import { withinTime } from '@freehold/core/abort'
import { ModelError } from '@freehold/core/errors'

/** Thrown when asking again later may help. */
export class RetryError extends Error {
  override name = 'RetryError'
  /** How long the host wants to be left alone; null: it did not say. */
  readonly afterMs: number | null

  constructor(message: string, afterMs: number | null, options?: ErrorOptions) {
    super(message, options)
    this.afterMs = afterMs
  }
}

/** Statuses that may be others the next time. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504])

/** A host that asks for more patience than this is given up. */
const MAX_AFTER_MS = 10 * 60_000

/**
 * Asks a host, and turns what it refuses with into an error that says what to do.
 * @throws RetryError when trying again may help; ModelError when not; the signal's reason
 */
export async function request(
  url: URL,
  init: {
    headers: Record<string, string>
    method?: string
    /** How long the whole answer may take. @default as long as it wants */
    timeoutMs?: number
    /** What to do where it wants to know who asks. @default how to set HF_TOKEN */
    locked?: string
    signal: AbortSignal | undefined
  },
): Promise<Response> {
  const { headers, method = 'GET', signal, timeoutMs } = init
  const within = timeoutMs === undefined ? signal : withinTime(signal, timeoutMs)
  let response: Response
  try {
    response = await fetch(url, { headers, method, signal: within ?? null })
  } catch (cause) {
    signal?.throwIfAborted()
    throw broken(url, cause)
  }
  if (response.ok) return response
  await response.body?.cancel()
  throw refusal(url, response, init.locked ?? LOCKED)
}

/** What is thrown when a host does not answer or breaks off. */
export function broken(url: URL, cause: unknown): RetryError {
  const { message, cause: inner } = cause as Error
  const why = inner instanceof Error ? inner.message : message
  return new RetryError(`the connection to ${url.host} failed: ${why}`, null, { cause })
}

const LOCKED =
  'Look whether the name is right. If the repository is private, set HF_TOKEN to a token that may read it'

function refusal(url: URL, { status, headers }: Response, locked: string): RetryError | ModelError {
  const said = headers.get('x-error-message')
  const code = headers.get('x-error-code')
  const what = `${url.host} refused ${url.pathname}`
  const why = `status ${status}${said ? `, ${said}` : ''}`
  if (PASSING.has(status)) {
    const afterMs = retryAfterMs(headers)
    if (afterMs === null || afterMs <= MAX_AFTER_MS)
      return new RetryError(`${what}: ${why}`, afterMs)
    const next = `It wants to be asked again in ${Math.ceil(afterMs / 60_000)} minutes`
    return new ModelError({ what, why, next })
  }
  if (code === 'GatedRepo') {
    return new ModelError({
      what: 'this model is given to those alone who accept its terms',
      why,
      next: 'Accept them on its page, and set HF_TOKEN to a token of that account',
    })
  }
  if (status === 401 || status === 403) {
    return new ModelError({ what, why, next: locked })
  }
  return new ModelError({ what, why, next: 'Look whether the name is right' })
}

/** `retry-after` in seconds or as a date, else the `t` of the hub's `ratelimit`. */
export function retryAfterMs(headers: Headers, now = Date.now()): number | null {
  const text = headers.get('retry-after')
  if (text !== null && /^\d+$/.test(text.trim())) return Number(text) * 1_000
  const date = Date.parse(text ?? '')
  if (!Number.isNaN(date)) return Math.max(0, date - now)
  const seconds = /(?:^|;)\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]
  return seconds === undefined ? null : Number(seconds) * 1_000
}
