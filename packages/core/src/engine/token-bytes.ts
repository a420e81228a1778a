import { utf8 } from '../bytes.ts'
import { type GgufHeader, ggufNumbers, ggufPackedTexts } from './gguf.ts'

/** `llama_token_type`, as far as it says how a token's text is written down. */
const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const USER_DEFINED = 4
const UNUSED = 5
const BYTE = 6

const NONE = new Uint8Array(0)
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** The bytes of each token alone: parts of a character are in there, and control tokens have none. */
export interface TokenBytes {
  /** Empty for what is no token. */
  of(id: number): Uint8Array
}

/** Reads the vocabulary from a GGUF's header, for the bytes of its tokens. Their text as a whole is these, joined. */
export function readTokenBytes(header: GgufHeader): TokenBytes {
  const texts = ggufPackedTexts(header, 'tokenizer.ggml.tokens')
  const kinds = Int32Array.from(ggufNumbers(header, 'tokenizer.ggml.token_type') ?? [])
  const typeOf = (id: number) => kinds[id] ?? NORMAL
  const isByteLevel = header.metadata.get('tokenizer.ggml.model') === 'gpt2'
  const normal = isByteLevel ? byteLevelText : (text: string) => utf8(text.replaceAll('▁', ' '))

  function bytesOf(id: number, text: string): Uint8Array {
    switch (typeOf(id)) {
      case UNKNOWN:
      case CONTROL:
      case UNUSED:
        return NONE
      case USER_DEFINED:
        return utf8(text)
      case BYTE:
        return Uint8Array.of(Number.parseInt(text.slice(3, 5), 16))
      default:
        return normal(text)
    }
  }

  // Each when it is asked for: to spell a hundred thousand would hold up who waits for the first.
  return { of: (id) => (id < texts.count ? bytesOf(id, UTF8.decode(texts.bytes(id))) : NONE) }
}

/** Byte-level vocabularies write each byte as a visible character; see GPT-2's `bytes_to_unicode`. */
function byteLevelText(text: string): Uint8Array {
  const bytes: number[] = []
  for (const char of text) {
    const byte = BYTE_OF.get(char.codePointAt(0) as number)
    if (byte === undefined) bytes.push(...utf8(char))
    else bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

const BYTE_OF = byteTable()

/** Printable bytes of Latin-1 stand for themselves, the others for 256 and up in their order. */
function byteTable(): ReadonlyMap<number, number> {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
  const table = new Map<number, number>()
  let next = 256
  for (let byte = 0; byte < 256; byte++) table.set(isPrintable(byte) ? byte : next++, byte)
  return table
}
