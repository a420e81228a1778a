import { basename } from 'node:path'
import { describeGguf } from '@freehold/core/engine/describe-gguf'
import type { ModelInfo, Profile } from '@freehold/core/engine/engine'
import type { GgufHeader } from '@freehold/core/engine/gguf'
import type { LoadedParts } from './protocol.ts'

/**
 * Puts together what the GGUF says of itself and what the child found when it loaded it.
 * @throws ModelError when the GGUF has no vocabulary
 */
export function describeModel(init: {
  modelId: string
  path: string
  header: GgufHeader
  sizeBytes: number
  parts: LoadedParts
  kvType: Profile['kvType']
}): ModelInfo {
  const { header, parts } = init
  const described = describeGguf(header, basename(init.path))
  return {
    ...described,
    modelId: init.modelId,
    sizeBytes: init.sizeBytes,
    contextTokens: parts.contextTokens ?? described.contextTokens,
    bosText: parts.bosText,
    eosText: parts.eosText,
    endIds: parts.endIds,
    profile: {
      engine: `llama.cpp ${parts.release} (node-llama-cpp ${parts.moduleVersion})`,
      backend: parts.backend,
      isa: parts.isa,
      kvType: init.kvType,
      flashAttn: parts.flashAttn,
      relaxedSimd: false,
    },
  }
}
