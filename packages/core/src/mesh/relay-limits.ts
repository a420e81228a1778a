/** What a device that relays gives away, each with the sentence that justifies it. */

/** A reservation keeps a connection open; of the 100 that a device has, two thirds stay its owner's. */
export const MAX_RESERVATIONS = 32

/** Whoever left without a word frees its place within the hour; who stays asks again before. */
export const RESERVATION_MS = 3_600_000

/** Both ways together: a long answer with its signatures and vouchers takes less than half of it. */
export const RELAYED_BYTES = 2n * 1024n * 1024n

/** As long as an answer may take at most (`totalMs` of the deadlines). */
export const RELAYED_MS = 10 * 60_000

/** Relayed connections that one device may ask for in a minute: some lenders looked at, one borrowed from. */
export const RELAYED_PER_MINUTE = 12

/** In all within a minute: with `RELAYED_BYTES` this bounds what relaying moves, to 4 MiB/s at worst. */
export const RELAYED_PER_MINUTE_IN_ALL = 120

/** Requests of one connection to be relayed that are under way at once. */
export const MAX_HOP_STREAMS = 8
