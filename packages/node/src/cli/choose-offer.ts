import { networkInterfaces } from 'node:os'
import { type MarkedModel, markCatalogue, offerModel, readCatalogue } from '../models/catalogue.ts'
import { type FreeMemory, freeMemory } from '../models/free-memory.ts'

/** How the engine loads unless told otherwise. */
export const SEQUENCES = 4
export const CONTEXT_TOKENS = 2_048

export interface Offer {
  free: FreeMemory
  /** The whole list, marked for this device. */
  marked: MarkedModel[]
  /** What to offer; null: the bundled model. */
  best: MarkedModel | null
}

/** The model of the list that fits this device best, if it could be fetched. Opens no socket. */
export async function chooseOffer(catalogue: string): Promise<Offer> {
  const free = await freeMemory()
  const ask = { contextTokens: CONTEXT_TOKENS, sequences: SEQUENCES }
  const marked = markCatalogue(await readCatalogue(catalogue), ask, free.availableBytes)
  return { free, marked, best: offerModel(marked, mayBeOnline()) }
}

/** Whether any network is there at all: asked of the system, without opening a socket. */
export function mayBeOnline(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some(({ internal }) => !internal))
}
