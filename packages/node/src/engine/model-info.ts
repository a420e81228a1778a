import { basename } from 'node:path'
import type { ModelInfo } from '@freehold/core/engine/engine'
import type { GgufHeader } from '@freehold/core/engine/gguf'
import { FILE_TYPES } from '@freehold/core/engine/gguf-types'
import { ModelError } from '@freehold/core/errors'
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
}): ModelInfo {
  const { header, parts } = init
  const tokens = header.metadata.get('tokenizer.ggml.tokens')
  if (typeof tokens !== 'object' || tokens.count === 0) {
    throw new ModelError({ what: 'the model has no vocabulary', next: 'Choose another model.' })
  }
  const fileType = header.metadata.get('general.file_type')
  return {
    modelId: init.modelId,
    name: text(header, 'general.name') || basename(init.path),
    architecture: text(header, 'general.architecture'),
    quantisation: typeof fileType === 'number' ? (FILE_TYPES.get(fileType) ?? '') : '',
    sizeBytes: init.sizeBytes,
    vocabSize: tokens.count,
    contextTokens: parts.contextTokens ?? ownContext(header),
    chatTemplate: text(header, 'tokenizer.chat_template'),
    bosText: parts.bosText,
    eosText: parts.eosText,
    endIds: parts.endIds,
    profile: {
      engine: `llama.cpp ${parts.release} (node-llama-cpp ${parts.moduleVersion})`,
      backend: parts.backend,
      isa: parts.isa,
      kvType: 'f16',
      flashAttn: parts.flashAttn,
      relaxedSimd: false,
    },
  }
}

/** The context that the file says its model has. */
function ownContext(header: GgufHeader): number {
  const key = `${text(header, 'general.architecture')}.context_length`
  const value = Number(header.metadata.get(key))
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new ModelError({ what: 'the model says no context', next: 'Choose another model.' })
}

function text(header: GgufHeader, key: string): string {
  const value = header.metadata.get(key)
  return typeof value === 'string' ? value : ''
}
