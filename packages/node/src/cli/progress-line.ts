/** How often a line is written where nobody watches it move. */
const STEPS = 4

export interface ProgressLine {
  /** Never goes back within a step. */
  show(step: string, done: number, of: number): void
  /** Leaves the terminal clean. */
  end(): void
}

/** Shows how far each step is: one line that changes in a terminal, a few plain lines elsewhere. */
export function createProgressLine(stream: NodeJS.WriteStream): ProgressLine {
  let [last, lastShare] = ['', 0]
  return {
    show(step, done, of) {
      const share = Math.floor((100 * done) / Math.max(1, of))
      const isNew = step !== last
      if (!isNew && share <= lastShare) return
      const isPlain = stream.isTTY !== true
      const isTold = Math.floor((share * STEPS) / 100) > Math.floor((lastShare * STEPS) / 100)
      if (isPlain && !isNew && !isTold) return
      ;[last, lastShare] = [step, share]
      const line = `${step} ${String(share).padStart(3)} %`
      stream.write(isPlain ? `${line}\n` : `\r\u001b[K${line}`)
    },
    end() {
      if (stream.isTTY === true && last !== '') stream.write('\r\u001b[K')
    },
  }
}
