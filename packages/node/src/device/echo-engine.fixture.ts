import type { Engine, Model, TopLogits } from '@freehold/core/engine/engine'
import { TOY_INFO } from '@freehold/core/engine/toy-model.fixture'

const END = 256
const LINE_BREAK = 10

/**
 * An engine whose models say after the first line what stands in it, byte by byte, and end: what a prompt
 * held can be seen in its answer.
 * @param onPrompt called with each prompt that it is asked
 */
export function echoEngine(onPrompt: (text: string) => void = () => {}): Engine {
  return {
    load: async () => createEchoModel(onPrompt),
    [Symbol.asyncDispose]: async () => {},
  }
}

function createEchoModel(onPrompt: (text: string) => void): Model {
  const text = (ids: readonly number[]) =>
    new TextDecoder().decode(Uint8Array.from(ids.filter((id) => id < END)))
  return {
    info: { ...TOY_INFO, name: 'echo', vocabSize: END + 1, endIds: [END] },
    tokenize: async (words) => [...new TextEncoder().encode(words)],
    detokenize: async (ids) => text(ids),
    openSequence: async () => {
      const taken: number[] = []
      return {
        get length() {
          return taken.length
        },
        prefill: async (ids, { logitsFrom = ids.length - 1, onProgress } = {}) => {
          if (taken.length === 0) onPrompt(text(ids))
          const all = ids.map((id) => {
            taken.push(id)
            return after(taken)
          })
          onProgress?.(ids.length)
          return all.slice(logitsFrom)
        },
        step: async (id) => {
          taken.push(id)
          return after(taken)
        },
        [Symbol.asyncDispose]: async () => {},
      }
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

function after(taken: readonly number[]): TopLogits {
  const line = taken.indexOf(LINE_BREAK) + 1
  const next = line === 0 ? END : (taken[taken.length - line] ?? END)
  const id = next === LINE_BREAK ? END : next
  return { ids: Uint32Array.of(id), logits: Float32Array.of(9) }
}
