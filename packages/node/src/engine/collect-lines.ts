import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** Lines kept as a process's last words. */
const KEPT_LINES = 4
const MAX_LINE_CHARS = 400

export interface CollectedLines {
  /** The last lines so far. */
  last(): string
  /** Settled when the stream has ended. */
  readonly ended: Promise<unknown>
}

/** Passes each line of a child's output on and keeps the last ones. */
export function collectLines(
  stream: Readable | null,
  onLine: (line: string) => void,
): CollectedLines {
  if (stream === null) return { last: () => '', ended: Promise.resolve() }
  const kept: string[] = []
  const lines = createInterface({ input: stream })
  lines.on('line', (line) => {
    if (line.trim() === '') return
    // An assertion of ggml begins with a path on the machine that built it.
    const short = line.replace(/^\S*\/(?=[\w.-]+:\d+: )/, '')
    kept.push(short.slice(0, MAX_LINE_CHARS))
    if (kept.length > KEPT_LINES) kept.shift()
    onLine(line)
  })
  return { last: () => kept.join(' / '), ended: once(lines, 'close') }
}
