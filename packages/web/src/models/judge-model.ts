import { say, saySize } from '../words/words.ts'

/** llama.cpp's files in WebAssembly end at 2 GiB. */
const TAB_BYTES = 2 ** 31 - 1
/** What a phone's tab holds before the system ends it, model and cache together. */
const PHONE_BYTES = 1.5e9
/** A cache and buffers come on top of the weights. */
const OVERHEAD = 1.2
const MAGIC = 'GGUF'

export interface ModelJudgement {
  /** Why it cannot be added. */
  refusal: string | null
  /** Why it may not run here. */
  warning: string | null
}

/** Looks at a file before it takes any room. */
export async function judgeModel(
  file: Pick<File, 'name' | 'size' | 'slice'>,
  isPhone?: boolean,
): Promise<ModelJudgement> {
  const first = new Uint8Array(await file.slice(0, MAGIC.length).arrayBuffer())
  return isGguf(first)
    ? judgeSize(file.size, isPhone)
    : { warning: null, refusal: say('noGguf', { name: file.name }) }
}

/** @param first bytes of a file, at least four */
export function isGguf(first: Uint8Array): boolean {
  return String.fromCharCode(...first.subarray(0, MAGIC.length)) === MAGIC
}

/** Whether a model of so many bytes can be in a tab of this device. */
export function judgeSize(
  sizeBytes: number,
  isPhone = matchMedia('(pointer: coarse)').matches,
): ModelJudgement {
  const size = saySize(sizeBytes)
  const none = { refusal: null, warning: null }
  if (sizeBytes > TAB_BYTES) {
    return { ...none, refusal: say('tooLargeForTab', { size, limit: saySize(TAB_BYTES) }) }
  }
  if (isPhone && sizeBytes * OVERHEAD > PHONE_BYTES) {
    return { ...none, warning: say('heavyForPhone', { size, limit: saySize(PHONE_BYTES) }) }
  }
  return none
}
