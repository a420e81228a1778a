import { say, saySize } from '../words/words.ts'

/** llama.cpp's files in WebAssembly end at 2 GiB. */
const TAB_BYTES = 2 ** 31 - 1
/** What a phone's tab holds before the system ends it, model and cache together. */
const PHONE_BYTES = 1.5e9
/** A cache and buffers come on top of the weights. */
const OVERHEAD = 1.2

export interface ModelJudgement {
  /** Why it cannot be added. */
  refusal: string | null
  /** Why it may not run here. */
  warning: string | null
}

/** Looks at a file before it takes any room. */
export async function judgeModel(
  file: Pick<File, 'name' | 'size' | 'slice'>,
  isPhone = matchMedia('(pointer: coarse)').matches,
): Promise<ModelJudgement> {
  const magic = await file.slice(0, 4).text()
  const size = saySize(file.size)
  const none = { refusal: null, warning: null }
  if (magic !== 'GGUF') return { ...none, refusal: say('noGguf', { name: file.name }) }
  if (file.size > TAB_BYTES) {
    return { ...none, refusal: say('tooLargeForTab', { size, limit: saySize(TAB_BYTES) }) }
  }
  if (isPhone && file.size * OVERHEAD > PHONE_BYTES) {
    return { ...none, warning: say('heavyForPhone', { size, limit: saySize(PHONE_BYTES) }) }
  }
  return none
}
