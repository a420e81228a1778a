/** How long each side waits for the other. All in milliseconds; all can be set by the user. */
export interface Deadlines {
  /** To reach the other device and open a stream to it. */
  connectMs: number
  /** Between two frames of any kind, `alive` among them, from `open` to the receipt. */
  silenceMs: number
  /** A lender says at the latest so long after its last frame that it lives; well below `silenceMs`. */
  beatMs: number
  /** From the request to the first token; each `progress` that gets further starts it anew. */
  firstTokenMs: number
  /** Between two frames of a running answer; `alive` does not count. */
  stallMs: number
  /** For the whole answer. */
  totalMs: number
  /** For single handshake frames, such as `ready`. */
  handshakeMs: number
  /** How long a lender that is ready waits for the request. */
  readyMs: number
  /** How long a lender at the window's edge waits for a voucher. */
  voucherMs: number
  /** For one chunk (1 MiB) of a header. */
  chunkMs: number
  /** Where an answer goes on after a break: without a word for so long, one more lender is asked. */
  hedgeMs: number
}

export const DEFAULT_DEADLINES: Deadlines = {
  connectMs: 1_700,
  silenceMs: 1_400,
  beatMs: 500,
  firstTokenMs: 15_000,
  stallMs: 8_000,
  totalMs: 10 * 60_000,
  handshakeMs: 10_000,
  readyMs: 60_000,
  voucherMs: 30_000,
  chunkMs: 30_000,
  hedgeMs: 1_200,
}
