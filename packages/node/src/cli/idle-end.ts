import type { OwnUse } from '../power/own-use.ts'

/** Answers requests, and says when there have been none for a while. */
export interface IdleEnd {
  readonly fetch: (request: Request) => Promise<Response>
  /** Resolves when nothing was asked and nothing is being answered for that long. */
  readonly idle: Promise<void>
  /** Stops watching. */
  end(): void
}

/**
 * @param idleMs Infinity: never
 * @param ownUse is told while the owner is being answered
 */
export function createIdleEnd(
  fetch: (request: Request) => Response | Promise<Response>,
  idleMs: number,
  ownUse?: OwnUse,
): IdleEnd {
  const { promise: idle, resolve } = Promise.withResolvers<void>()
  let running = 0
  let timer: NodeJS.Timeout | undefined
  const rest = () => {
    clearTimeout(timer)
    if (running === 0 && Number.isFinite(idleMs)) timer = setTimeout(resolve, idleMs)
  }
  rest()
  return {
    idle,
    end: () => clearTimeout(timer),
    fetch: async (request) => {
      running++
      clearTimeout(timer)
      // Who looks at what is loaded asks for no answer.
      const own = request.method === 'POST' ? ownUse?.begin() : undefined
      const leave = () => {
        own?.[Symbol.dispose]()
        running--
        rest()
      }
      try {
        const response = await fetch(request)
        if (response.body === null) {
          leave()
          return response
        }
        // An answer that comes in pieces is no idleness; nor is it when its reader goes away.
        const ends: Transformer & { cancel(): void } = { flush: leave, cancel: leave }
        const watched = new TransformStream(ends)
        return new Response(response.body.pipeThrough(watched), response)
      } catch (error) {
        leave()
        throw error
      }
    },
  }
}
