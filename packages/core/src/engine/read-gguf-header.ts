import { ModelError } from '../errors.ts'
import { type GgufHeader, HeaderCut, parseGguf } from './gguf.ts'

/** A first read that holds the whole header of most models. */
const FIRST_READ_BYTES = 4 * 1024 * 1024

/** No header is believed to be longer. The largest vocabularies need some 20 MiB. */
const MAX_HEADER_BYTES = 256 * 1024 * 1024

/**
 * Reads and checks a GGUF's header without touching its tensors.
 * @param file.read gives the first `sizeBytes` bytes, or fewer where the file ends
 * @throws ModelError when it is no sound GGUF or is cut off
 */
export async function readGgufHeader(
  file: { sizeBytes: number; read(sizeBytes: number): Promise<Uint8Array> },
  init: { signal?: AbortSignal | undefined } = {},
): Promise<GgufHeader> {
  for (let wanted = FIRST_READ_BYTES; ; wanted *= 4) {
    init.signal?.throwIfAborted()
    const asked = Math.min(wanted, file.sizeBytes)
    const bytes = await file.read(asked)
    try {
      return parseGguf(bytes, file.sizeBytes)
    } catch (error) {
      if (!(error instanceof HeaderCut)) throw error
      if (bytes.length < asked || bytes.length === file.sizeBytes) {
        throw new ModelError({
          what: 'the model file is cut off',
          why: `the file ends at byte ${file.sizeBytes}, inside its header`,
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
