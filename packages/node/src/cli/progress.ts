import { sizeText } from '../models/size-text.ts'
import { formatDuration } from './format.ts'

/** Shows how far something is: a bar on a terminal, else a line for each tenth. */
export interface Progress {
  /**
   * `title` comes first in the line; another one begins another line.
   * @param done never falls within a title
   */
  show(title: string, done: number, total: number): void
  /** A sentence between the lines. */
  say(text: string): void
  /** Ends the line. */
  end(): void
}

export interface ProgressComponents {
  stream: Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean; columns?: number }
  now: () => number
}

/** What is counted; only of bytes it is said how many. */
export type ProgressUnit = 'bytes' | 'steps'

/** The rate is that of the last seconds, a sample each. */
const SAMPLES = 10
const SAMPLE_MS = 1_000
const DRAW_MS = 100
const MIN_BAR = 6
const MAX_BAR = 40

export function createProgress(
  { stream, now }: ProgressComponents = { stream: process.stderr, now: Date.now },
  unit: ProgressUnit = 'bytes',
): Progress {
  let title = ''
  let samples: { atMs: number; done: number }[] = []
  let drawnMs = Number.NEGATIVE_INFINITY
  let tenth = -1
  let isOpen = false

  function rateOf(done: number): number | null {
    const [oldest] = samples
    const last = samples.at(-1)
    if (last === undefined || now() - last.atMs >= SAMPLE_MS) {
      samples = [...samples, { atMs: now(), done }].slice(-SAMPLES)
    }
    if (oldest === undefined || now() - oldest.atMs < SAMPLE_MS) return null
    return (1_000 * (done - oldest.done)) / (now() - oldest.atMs)
  }

  const end = () => {
    if (isOpen) stream.write('\n')
    isOpen = false
  }

  return {
    end,
    say: (text) => {
      end()
      stream.write(`${text}\n`)
    },
    show: (newTitle, done, total) => {
      if (newTitle !== title) {
        end()
        title = newTitle
        samples = []
        tenth = -1
        drawnMs = Number.NEGATIVE_INFINITY
      }
      const part = total > 0 ? Math.min(1, done / total) : 1
      const rate = rateOf(done)
      const counted = unit === 'bytes' ? sizes(done, total) : ''
      if (stream.isTTY !== true) {
        if (Math.floor(part * 10) <= tenth) return
        tenth = Math.floor(part * 10)
        stream.write(`${title} ${percent(part)} ${counted}`.trimEnd().concat('\n'))
        return
      }
      if (part < 1 && now() - drawnMs < DRAW_MS) return
      drawnMs = now()
      isOpen = true
      const columns = stream.columns ?? 80
      stream.write(`\r${line({ title, part, done, total, rate, counted, unit, columns })}\x1b[K`)
    },
  }
}

interface Line {
  title: string
  part: number
  done: number
  total: number
  /** In a second; null: not known yet. */
  rate: number | null
  /** Such as `2.1 GB/4.7 GB`, or nothing. */
  counted: string
  unit: ProgressUnit
  columns: number
}

/** `pulling 6340dc3229b0...  45% ▕████      ▏ 2.1 GB/4.7 GB   34 MB/s   1m12s` */
function line({ title, part, done, total, rate, counted, unit, columns }: Line): string {
  const speed = rate === null ? '' : `${sizeText(rate)}/s`
  const left = rate === null || rate <= 0 ? '' : formatDuration((total - done) / rate)
  // Widths that do not change: nothing jitters.
  const figures = unit === 'bytes' ? ` ${counted.padStart(17)} ${speed.padStart(10)}` : ''
  const tail = `${figures} ${left.padStart(6)}`
  const head = `${title} ${percent(part)} `
  const width = Math.min(MAX_BAR, columns - head.length - tail.length - 3)
  if (width < MIN_BAR) return `${head}${counted}`.slice(0, columns - 1)
  const full = Math.round(part * width)
  return `${head}▕${'█'.repeat(full)}${' '.repeat(width - full)}▏${tail}`
}

function percent(part: number): string {
  return `${Math.floor(part * 100)}%`.padStart(4)
}

function sizes(doneBytes: number, totalBytes: number): string {
  return `${sizeText(doneBytes)}/${sizeText(totalBytes)}`
}
