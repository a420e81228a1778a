import { styleText } from 'node:util'

/** Where the demo's story goes: stdout for people, stderr when stdout carries data. */
export interface Story {
  /** Begins a step. */
  step(title: string): void
  line(text: string): void
  /** A piece of an answer, as it comes. */
  piece(text: string): void
}

export function createStory(out: NodeJS.WritableStream & { isTTY?: boolean }): Story {
  const bold = (text: string) => (out.isTTY ? styleText('bold', text) : text)
  let steps = 0
  let isMidLine = false
  const fresh = () => {
    if (isMidLine) out.write('\n')
    isMidLine = false
  }
  return {
    step: (title) => {
      fresh()
      out.write(`\n${bold(`${++steps}. ${title}`)}\n`)
    },
    line: (text) => {
      fresh()
      out.write(`   ${text}\n`)
    },
    piece: (text) => {
      if (!isMidLine) out.write('   | ')
      out.write(text.replaceAll('\n', '\n   | '))
      isMidLine = true
    },
  }
}
