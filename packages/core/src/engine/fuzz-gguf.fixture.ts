import { ModelError } from '../errors.ts'
import { describeGguf, requireSoundVocabulary } from './describe-gguf.ts'
import { type GgufHeader, ggufStrings, HeaderCut, parseGguf } from './gguf.ts'
import { TYPE_STRING } from './gguf-types.ts'
import type { MutatedGguf } from './mutate-gguf.fixture.ts'

/**
 * Shows a file to everything that sees a stranger's header before an engine does.
 * @param also more that looks at a header that was parsed; it may throw a ModelError
 * @returns whether it was accepted, or refused with an error of ours
 * @throws what nobody foresaw: a defect
 */
export function judgeGguf(
  { bytes, fileBytes }: MutatedGguf,
  also: (header: GgufHeader) => void = () => {},
): 'accepted' | 'refused' {
  try {
    const header = parseGguf(bytes, fileBytes)
    requireSound(header, fileBytes)
    describeGguf(header, 'fuzzed')
    requireSoundVocabulary(header)
    also(header)
    return 'accepted'
  } catch (error) {
    if (error instanceof ModelError || error instanceof HeaderCut) return 'refused'
    throw error
  }
}

/** What whoever reads a parsed header relies on. */
function requireSound(header: GgufHeader, fileBytes: number): void {
  for (const { name, offset, sizeBytes } of header.tensors) {
    const isSound = Number.isSafeInteger(offset) && Number.isSafeInteger(sizeBytes)
    if (!isSound || sizeBytes <= 0 || offset < header.dataOffset || offset + sizeBytes > fileBytes)
      throw new RangeError(`the tensor ${name} lies at ${offset} for ${sizeBytes} bytes`)
  }
  for (const [key, value] of header.metadata) {
    if (typeof value !== 'object') continue
    if (value.at > header.bytes.length) throw new RangeError(`${key} lies outside`)
    if (value.type === TYPE_STRING && ggufStrings(header, key)?.length !== value.count)
      throw new RangeError(`${key} has not ${value.count} texts`)
  }
}
