import { CALL_CLOSE, CALL_OPEN } from './tools.ts'

/** A part of what a model wrote. `call` is the text between the tags of a call, whole. */
export interface OutputPart {
  kind: 'text' | 'reasoning' | 'call'
  text: string
}

export interface OutputSplitter {
  /** @returns the parts that are certain now */
  push(text: string): OutputPart[]
  /** @returns what is left; a call that was never closed comes as it was written */
  end(): OutputPart[]
}

const THINK_OPEN = '<think>'
const THINK_CLOSE = '</think>'

/** Tells reasoning and calls of tools from the answer as text comes, never showing half a tag. */
export function createOutputSplitter(init: {
  /** Whether the model marks what it thinks. */
  thinks: boolean
  /** The prompt ends inside a thought already. */
  startsThinking: boolean
  callsTools: boolean
}): OutputSplitter {
  const opening = [...(init.thinks ? [THINK_OPEN] : []), ...(init.callsTools ? [CALL_OPEN] : [])]
  let mode: OutputPart['kind'] = init.startsThinking ? 'reasoning' : 'text'
  let held = ''
  /** White space around tags belongs to nobody: it is left out where a part begins. */
  let isFresh = true

  const tagsNow = () =>
    mode === 'text' ? opening : mode === 'reasoning' ? [THINK_CLOSE] : [CALL_CLOSE]

  function part(text: string, parts: OutputPart[]): void {
    const shown = isFresh && opening.length > 0 ? text.trimStart() : text
    if (shown === '') return
    isFresh = false
    parts.push({ kind: mode, text: shown })
  }

  function switchAt(tag: string, before: string, parts: OutputPart[]): void {
    if (mode === 'call') parts.push({ kind: 'call', text: before })
    else part(before, parts)
    mode = tag === THINK_OPEN ? 'reasoning' : tag === CALL_OPEN ? 'call' : 'text'
    isFresh = true
  }

  return {
    push(text) {
      held += text
      const parts: OutputPart[] = []
      for (;;) {
        const found = tagsNow()
          .map((tag) => ({ tag, at: held.indexOf(tag) }))
          .filter(({ at }) => at >= 0)
          .sort((a, b) => a.at - b.at)[0]
        if (found === undefined) break
        const before = held.slice(0, found.at)
        held = held.slice(found.at + found.tag.length)
        switchAt(found.tag, before, parts)
      }
      if (mode === 'call') return parts
      const keep = halfTag(held, tagsNow())
      part(held.slice(0, held.length - keep), parts)
      held = held.slice(held.length - keep)
      return parts
    },
    end() {
      const parts: OutputPart[] = []
      if (mode === 'call') {
        mode = 'text'
        isFresh = false
        held = `${CALL_OPEN}${held}`
      }
      part(held, parts)
      held = ''
      return parts
    },
  }
}

/** How many characters at the end of `text` may be the start of a tag. */
function halfTag(text: string, tags: readonly string[]): number {
  const longest = Math.max(0, ...tags.map((tag) => tag.length - 1))
  for (let count = Math.min(longest, text.length); count > 0; count--) {
    const end = text.slice(-count)
    if (tags.some((tag) => tag.startsWith(end))) return count
  }
  return 0
}
