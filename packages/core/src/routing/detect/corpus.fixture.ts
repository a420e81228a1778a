import { type Finding, isKind, type Kind } from './finding.ts'

/** A text, what is in it, and what is in it though nobody finds it. */
export interface CorpusText {
  text: string
  expected: Finding[]
  missed: Kind[]
}

const MARK = /⟦(missed:)?([a-z-]+)(?::([^⟧]*))?⟧/g

/** The texts of `vectors/sensitive.json`, given as JSON, without their marks. */
export function readCorpus(json: string): CorpusText[] {
  const { texts } = JSON.parse(json) as { texts: string[] }
  return texts.map((marked) => {
    const whole = marked.replaceAll('‖', '')
    const [expected, missed]: [Finding[], Kind[]] = [[], []]
    let text = ''
    let at = 0
    for (const match of whole.matchAll(MARK)) {
      const [mark, isMissed, kind = '', value = ''] = match
      if (!isKind(kind)) throw new Error(`${kind} is no kind, in: ${marked}`)
      text += whole.slice(at, match.index)
      at = match.index + mark.length
      if (isMissed) missed.push(kind)
      else {
        expected.push({ kind, start: text.length, end: text.length + value.length })
        text += value
      }
    }
    return { text: text + whole.slice(at), expected, missed }
  })
}
