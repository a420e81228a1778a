/** What a platform hands to core when a device is built, besides engine, transports, storage and chain. */

/** `length` bytes from the platform's cryptographic generator. */
export type Random = (length: number) => Uint8Array

/** Time and timers; a test hands in one that it moves itself. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `fn` after `ms`. @returns what ends the wait without the call */
  after(ms: number, fn: () => void): () => void
}

/** Where a part of core says what it does; never content of a prompt or an answer. */
export type Log = (event: string, details?: Record<string, unknown>) => void

/** Clock of the running program. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
}

/** WebCrypto's generator, in Node and in browsers. */
export const systemRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length))
