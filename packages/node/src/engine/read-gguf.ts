import { type FileHandle, open } from 'node:fs/promises'
import { type GgufHeader, ggufStrings, HeaderCut, parseGguf } from '@freehold/core/engine/gguf'
import { ModelError } from '@freehold/core/errors'

/** A first read that holds the whole header of most models. */
const FIRST_READ_BYTES = 4 * 1024 * 1024

/** No header is believed to be longer. The largest vocabularies need some 20 MiB. */
const MAX_HEADER_BYTES = 256 * 1024 * 1024

/**
 * Reads and checks a GGUF's header without touching its tensors.
 * @throws ModelError when the file cannot be read, is no sound GGUF or is cut off
 */
export async function readGguf(path: string, init: { signal?: AbortSignal | undefined } = {}) {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (cause) {
    throw unreadable(path, cause)
  }
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw unreadable(path, new Error('it is no file'))
    return { header: await readHeader(file, stats.size, init.signal), stats }
  } finally {
    await file.close()
  }
}

async function readHeader(
  file: FileHandle,
  fileBytes: number,
  signal: AbortSignal | undefined,
): Promise<GgufHeader> {
  for (let wanted = FIRST_READ_BYTES; ; wanted *= 4) {
    signal?.throwIfAborted()
    const bytes = new Uint8Array(Math.min(wanted, fileBytes))
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    try {
      return parseGguf(bytes.subarray(0, bytesRead), fileBytes)
    } catch (error) {
      if (!(error instanceof HeaderCut)) throw error
      if (bytesRead < bytes.length || bytes.length === fileBytes) {
        throw new ModelError({
          what: 'the model file is cut off',
          why: `the file ends at byte ${fileBytes}, inside its header`,
          next: 'Fetch it again, or resume its download.',
        })
      }
      if (wanted >= MAX_HEADER_BYTES) {
        throw new ModelError({
          what: 'the file is no sound GGUF',
          why: `its header is longer than ${MAX_HEADER_BYTES} bytes`,
          next: 'Choose another model.',
        })
      }
    }
  }
}

/**
 * Refuses a vocabulary that has no token for the newline: native code drops the byte from each text
 * or, with some tokenizers, ends the whole process.
 * @throws ModelError
 */
export function requireNewlineToken(header: GgufHeader): void {
  const kind = header.metadata.get('tokenizer.ggml.model')
  const names = kind === 'gpt2' ? ['Ċ'] : kind === 'llama' ? ['<0x0A>', '\n'] : undefined
  if (names === undefined) return
  const tokens = ggufStrings(header, 'tokenizer.ggml.tokens') ?? []
  if (names.some((name) => tokens.includes(name))) return
  throw new ModelError({
    what: 'the model cannot be used',
    why: 'its vocabulary has no token for the newline byte',
    next: 'Convert the model again with its whole tokenizer, or choose another.',
  })
}

function unreadable(path: string, cause: unknown): ModelError {
  return new ModelError({
    what: `the model file ${path} cannot be read`,
    why: cause instanceof Error ? cause.message : String(cause),
    next: 'Look whether the path is right and the file may be read.',
    cause,
  })
}
