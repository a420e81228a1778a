/** A thread that reads memory for a while and says how fast: compares two equal buffers. */
import { parentPort, workerData } from 'node:worker_threads'

/** Together larger than most caches. */
const BUFFER_BYTES = 64 * 1024 * 1024

const { ms } = workerData as { ms: number }
// Written to, or all pages would be one page of zeros.
const [one, other] = [Buffer.alloc(BUFFER_BYTES, 1), Buffer.alloc(BUFFER_BYTES, 1)]
one.compare(other)
const startedMs = performance.now()
let [bytes, passedMs] = [0, 0]
while (passedMs < ms) {
  one.compare(other)
  bytes += 2 * BUFFER_BYTES
  passedMs = performance.now() - startedMs
}
parentPort?.postMessage((1_000 * bytes) / passedMs)
