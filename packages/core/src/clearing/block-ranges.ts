/** Blocks that are asked for at first: what most nodes allow. */
const FIRST_BLOCKS = 10_000n

/**
 * Reads a span of blocks piece by piece, in order. Nodes allow ranges of very different lengths, and
 * say so in different words: a piece that fails is halved, one that works lets the next be longer.
 * @throws what `read` throws for a single block
 */
export async function inRanges(
  read: (from: bigint, to: bigint) => Promise<void>,
  { from, to, signal }: { from: bigint; to: bigint; signal?: AbortSignal | undefined },
): Promise<void> {
  let length = FIRST_BLOCKS
  for (let start = from; start <= to; ) {
    signal?.throwIfAborted()
    const end = start + length - 1n < to ? start + length - 1n : to
    try {
      await read(start, end)
      start = end + 1n
      length *= 2n
    } catch (error) {
      if (start === end) throw error
      length = (end - start + 1n) / 2n
    }
  }
}
