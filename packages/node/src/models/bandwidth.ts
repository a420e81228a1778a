import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

/** How long each thread reads. */
const PROBE_MS = 150

/**
 * Of the speed that reading alone would allow, what decoding reaches on a CPU; and what each token costs
 * besides. Measured on two cores with AVX-512, one of them computing: the 0.5 B synthetic model of
 * `bench/` in Q8_0 reached 0.41 to 0.65 of the probe's bandwidth, and Acorn took a millisecond more.
 */
const DECODE_EFFICIENCY = 0.55
const TOKEN_OVERHEAD_SECONDS = 0.001

/**
 * Measures how fast so many threads together read memory, for about a fifth of a second.
 * @param threads as many as the engine computes with. @default all cores but one
 * @returns bytes a second
 */
export async function measureBandwidth(
  init: { threads?: number | undefined; signal?: AbortSignal | undefined } = {},
): Promise<number> {
  init.signal?.throwIfAborted()
  const threads = init.threads ?? Math.max(1, availableParallelism() - 1)
  const readers = Array.from({ length: threads }, () => startReader(init.signal))
  const rates = await Promise.all(readers)
  return rates.reduce((sum, rate) => sum + rate, 0)
}

/** Tokens a second that a model decodes at, one text at a time. Right within a factor of two. */
export function estimateTokensPerSecond(bytesPerToken: number, bytesPerSecond: number): number {
  return 1 / (bytesPerToken / (DECODE_EFFICIENCY * bytesPerSecond) + TOKEN_OVERHEAD_SECONDS)
}

async function startReader(signal: AbortSignal | undefined): Promise<number> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./bandwidth-worker.${extension}`, import.meta.url), {
    workerData: { ms: PROBE_MS },
  })
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  worker.once('message', resolve)
  worker.once('error', reject)
  try {
    return await promise
  } finally {
    signal?.removeEventListener('abort', onAbort)
    await worker.terminate()
  }
}
