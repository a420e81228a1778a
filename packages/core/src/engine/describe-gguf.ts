import { equal, utf8 } from '../bytes.ts'
import { ModelError } from '../errors.ts'
import type { ModelInfo } from './engine.ts'
import { type GgufHeader, ggufPackedTexts } from './gguf.ts'
import { FILE_TYPES } from './gguf-types.ts'

const TOKENS = 'tokenizer.ggml.tokens'

/** How tokenizers write a newline; byte-level ones as the letter `Ċ`. */
const NEWLINES = new Map([
  ['gpt2', ['Ċ']],
  ['llama', ['<0x0A>', '\n']],
])

/** Vocabularies are looked through in so many parts. */
const PARTS = 16
/** Its 256 letters all differ; that some of them are not latin1's does not matter. */
const BYTES = new TextDecoder('latin1')

/** What a model's own file says of it. */
export type DescribedGguf = Pick<
  ModelInfo,
  'name' | 'architecture' | 'quantisation' | 'vocabSize' | 'contextTokens' | 'chatTemplate'
>

/**
 * Describes the model in a GGUF, whoever computes it.
 * @param fileName stands in for a name that the file does not give
 * @throws ModelError when the GGUF has no vocabulary or no context
 */
export function describeGguf(header: GgufHeader, fileName: string): DescribedGguf {
  const tokens = header.metadata.get(TOKENS)
  if (typeof tokens !== 'object' || tokens.count === 0) {
    throw new ModelError({ what: 'the model has no vocabulary', next: 'Choose another model.' })
  }
  const fileType = header.metadata.get('general.file_type')
  return {
    name: text(header, 'general.name') || fileName,
    architecture: text(header, 'general.architecture'),
    quantisation: typeof fileType === 'number' ? (FILE_TYPES.get(fileType) ?? '') : '',
    vocabSize: tokens.count,
    contextTokens: ownContext(header),
    chatTemplate: text(header, 'tokenizer.chat_template'),
  }
}

/** The context that the file says its model has. */
function ownContext(header: GgufHeader): number {
  const key = `${text(header, 'general.architecture')}.context_length`
  const value = Number(header.metadata.get(key))
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new ModelError({ what: 'the model says no context', next: 'Choose another model.' })
}

/**
 * Refuses a vocabulary that native code ends its whole process for: one with no token for the newline
 * (or, with some tokenizers, it drops the byte from each text) or with the same token twice.
 * @throws ModelError
 */
export function requireSoundVocabulary(header: GgufHeader): void {
  // llama.cpp reads a token up to its first zero, and names those of which nothing is left.
  const texts = ggufPackedTexts(header, TOKENS)
  const nameOf = (id: number) => {
    const bytes = texts.bytes(id)
    const zero = bytes.indexOf(0)
    const length = zero < 0 ? bytes.length : zero
    return length > 0 ? bytes.subarray(0, length) : utf8(`[EMPTY_${id}]`)
  }
  const newlines = NEWLINES.get(text(header, 'tokenizer.ggml.model'))?.map(utf8)
  let isNewlineThere = newlines === undefined
  // Equal names are in the same part, and one part at a time takes a sixteenth of the memory.
  const parts = new Uint8Array(texts.count)
  for (let id = 0; id < texts.count; id++) {
    const name = nameOf(id)
    parts[id] = ((name[0] ?? 0) + (name.at(-1) ?? 0) + name.length) % PARTS
    isNewlineThere ||= newlines?.some((one) => equal(one, name)) ?? true
  }
  for (let part = 0; part < PARTS; part++) {
    const seen = new Set<string>()
    for (let id = parts.indexOf(part); id >= 0; id = parts.indexOf(part, id + 1)) {
      const name = BYTES.decode(nameOf(id))
      if (seen.has(name)) refuse('its vocabulary has the same token twice')
      seen.add(name)
    }
  }
  if (isNewlineThere) return
  refuse('its vocabulary has no token for the newline byte')
}

function refuse(why: string): never {
  throw new ModelError({
    what: 'the model cannot be used',
    why,
    next: 'Convert the model again with its whole tokenizer, or choose another.',
  })
}

function text(header: GgufHeader, key: string): string {
  const value = header.metadata.get(key)
  return typeof value === 'string' ? value : ''
}
