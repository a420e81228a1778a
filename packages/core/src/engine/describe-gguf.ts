import { ModelError } from '../errors.ts'
import type { ModelInfo } from './engine.ts'
import { type GgufHeader, ggufStrings } from './gguf.ts'
import { FILE_TYPES } from './gguf-types.ts'

const TOKENS = 'tokenizer.ggml.tokens'

/** The letter that byte-level BPE writes a newline as, `Ċ`, as its two bytes. */
const NEWLINE_LETTER = '\u00c4\u0160'

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
  const tokens = (ggufStrings(header, TOKENS, 'bytes') ?? []).map(
    (token, id) => token.split('\0', 1)[0] || `[EMPTY_${id}]`,
  )
  if (new Set(tokens).size < tokens.length) refuse('its vocabulary has the same token twice')
  const kind = header.metadata.get('tokenizer.ggml.model')
  const names = kind === 'gpt2' ? [NEWLINE_LETTER] : kind === 'llama' ? ['<0x0A>', '\n'] : undefined
  if (names === undefined || names.some((name) => tokens.includes(name))) return
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
