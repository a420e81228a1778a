import { equal, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import type { OfferedModel } from '../wire/offer.ts'
import type { ModelShelf, ShelvedModel } from './model-shelf.ts'
import type { ModelFile } from './parts.ts'

/** A model that is lent, the name that it is loaded by, and its file. */
export interface LentModel {
  name: string
  file: ModelFile
  offered: OfferedModel
}

/** The models that a device lends. */
export interface LentModels {
  /** @throws LendingError `model` when it is not lent */
  byId(modelId: Uint8Array): LentModel
  /** A model in memory; loaded anew when the process that held it died. @throws LendingError `model` */
  take(modelId: Uint8Array): Promise<ShelvedModel>
  /** Resolves once the engine that holds it has answered; at once while one is loaded anew. */
  ping(modelId: Uint8Array): Promise<void>
}

export function createLentModels(
  init: { lent: readonly LentModel[]; contextTokens: number; sequences: number },
  { shelf }: { shelf: ModelShelf },
): LentModels {
  const { lent, contextTokens, sequences } = init

  let loads = 0

  function byId(modelId: Uint8Array): LentModel {
    const found = lent.find(({ offered }) => equal(offered.modelId, modelId))
    if (found !== undefined) return found
    throw new LendingError('model', { what: 'this model is not lent here' })
  }

  return {
    byId,
    take: async (modelId) => {
      const { name } = byId(modelId)
      const id = toHex(modelId)
      const loaded = await shelf.byId(id)
      if (loaded !== undefined) return loaded
      loads++
      const loading = shelf.take(name, { contextTokens, sequences })
      const shelved = await loading.finally(() => loads--)
      if (shelved.model.info.modelId === id) return shelved
      throw new LendingError('model', { what: 'the file of this model has changed' })
    },
    ping: async (modelId) => {
      // To be found, it has to answer.
      if (loads === 0) await shelf.byId(toHex(modelId))
    },
  }
}
