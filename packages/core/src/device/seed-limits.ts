/** What seeding may take; knows nothing else, so that settings can name it without loading more. */

/** Streams at once: each holds one chunk in memory. */
export const WEIGHTS_STREAMS = { running: 8, perDevice: 2, waiting: 0, waitMs: 0 }

/** Requests within a minute: at 1 MiB each more than any home can send. */
export const WEIGHTS_REQUESTS = { windowMs: 60_000, perDevice: 3_000, inAll: 12_000 }

/** Bytes a second, all who pull together. */
export const DEFAULT_SEED_RATE = 4 * 1_024 * 1_024

/** Bytes a day. */
export const DEFAULT_SEED_PER_DAY = 20 * 1_024 ** 3
