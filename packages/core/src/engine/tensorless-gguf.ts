import { ModelError } from '../errors.ts'
import { type GgufHeader, parseGguf } from './gguf.ts'

/** Where a GGUF says how many tensors it has, a u64 after its magic and version. */
const TENSOR_COUNT_AT = 8

/**
 * Makes a GGUF without tensors of a model's header: a tokenizer loads from it, and nothing computes.
 * (The header as it is does not load: its tensors would lie beyond the file's end.)
 * @param bytes the model's first bytes, at least up to where its tensors' data begin
 * @param model what its manifest says: size of the whole file, and how many bytes are its header
 * @throws ModelError when the bytes are no sound header, or of another length than the manifest says
 */
export function tensorlessGguf(
  bytes: Uint8Array,
  model: { sizeBytes: number; headerBytes: number },
): { header: GgufHeader; gguf: Uint8Array } {
  const header = parseWhole(bytes, model.sizeBytes)
  if (header.dataOffset !== model.headerBytes) {
    refuse(`it is ${header.dataOffset} bytes long, its manifest says ${model.headerBytes}`)
  }
  // An engine would look for the other files.
  if (Number(header.metadata.get('split.count') ?? 1) > 1) refuse('it is one of several files')
  const gguf = bytes.slice(0, header.entriesOffset)
  gguf.fill(0, TENSOR_COUNT_AT, TENSOR_COUNT_AT + 8)
  return { header, gguf }
}

function parseWhole(bytes: Uint8Array, sizeBytes: number): GgufHeader {
  try {
    return parseGguf(bytes, sizeBytes)
  } catch (cause) {
    if (cause instanceof ModelError) throw cause
    return refuse('it ends too early', cause)
  }
}

function refuse(why: string, cause?: unknown): never {
  const next = 'Ask another lender for it.'
  throw new ModelError({ what: 'this is no header of a model', why, next, cause })
}
