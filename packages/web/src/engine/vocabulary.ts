import { type GgufHeader, ggufStrings } from '@freehold/core/engine/gguf'

/** `llama_token_type`: what stands for no text of its own. */
const UNKNOWN = 2
const CONTROL = 3

/** What wllama does not tell of a model's tokens. */
export interface Vocabulary {
  /** The token's own text; empty for no token. */
  textOf(id: number): string
  isControl(id: number): boolean
  /** The tokenizer puts a space before a text, which its tokens do not give back. */
  addsSpace: boolean
}

/** Reads the vocabulary from a GGUF's header. */
export function readVocabulary(header: GgufHeader): Vocabulary {
  const { metadata, bytes } = header
  const texts = ggufStrings(header, 'tokenizer.ggml.tokens') ?? []
  const types = metadata.get('tokenizer.ggml.token_type')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const typeOf = (id: number) =>
    typeof types === 'object' && id < types.count ? view.getInt32(types.at + 4 * id, true) : 0
  const isSentencePiece = metadata.get('tokenizer.ggml.model') === 'llama'
  return {
    textOf: (id) => texts[id] ?? '',
    isControl: (id) => typeOf(id) === UNKNOWN || typeOf(id) === CONTROL,
    addsSpace: (metadata.get('tokenizer.ggml.add_space_prefix') ?? isSentencePiece) === true,
  }
}
