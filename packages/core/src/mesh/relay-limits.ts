/** What a device that relays gives away. */
export interface CarryLimits {
  /** Devices that keep a place at it. */
  reservations: number
  /** How long a place is kept for who says nothing more. */
  reservationMs: number
  /** Of one relayed connection, both ways together. */
  relayedBytes: bigint
  /** How long one relayed connection lasts. */
  relayedMs: number
}

export const CARRY_LIMITS: CarryLimits = {
  // A reservation keeps a connection open; of the 100 that a device has, two thirds stay its owner's.
  reservations: 32,
  // Who stays asks again before; who leaves frees its place at once.
  reservationMs: 3_600_000,
  // A long answer with its signatures and vouchers takes less than half of it.
  relayedBytes: 2n * 1024n * 1024n,
  // As long as an answer may take at most (`totalMs` of the deadlines).
  relayedMs: 10 * 60_000,
}

/** Relayed connections that one device may ask for in a minute: some lenders looked at, one borrowed from. */
export const RELAYED_PER_MINUTE = 12

/** In all within a minute: with `relayedBytes` this bounds what relaying moves, to 4 MiB/s at worst. */
export const RELAYED_PER_MINUTE_IN_ALL = 120

/** Requests of one connection to be relayed that are under way at once. */
export const MAX_HOP_STREAMS = 8
