import { UsageError } from '@freehold/core/errors'
import type { ModelLibrary } from './library.ts'
import type { StoredModel } from './manifest-file.ts'
import { DEFAULT_HOST, formatModelName, OLLAMA_HOST, tryModelName } from './name.ts'
import { nameOf, storableName } from './store.ts'

/** What is fetched, and the name that it is stored under, if that is not its own. */
export interface MeantPull {
  text: string
  as: StoredModel['name'] | undefined
}

/**
 * What a client of Ollama means by a name without a host: a model of Ollama's library, which is called
 * so here too. What says where it is fetched from means the same everywhere.
 * @throws UsageError when another model than that of Ollama's library has the name
 */
export async function asOllamaMeans(
  text: string,
  { store }: Pick<ModelLibrary, 'store'>,
): Promise<MeantPull> {
  const name = tryModelName(text)
  const isBare = name?.host === DEFAULT_HOST && text.split('/').length < 3
  if (!name || !isBare || /\.gguf$/i.test(text)) return { text, as: undefined }
  const as = storableName({ ...name, digest: null })
  const old = await store.find({ ...as, digest: null })
  const { namespace, model } = name
  if (old !== null && !old.from.includes(`/v2/${namespace}/${model}/blobs/`)) {
    throw new UsageError({
      what: `${nameOf(old)} is a model of this device, from ${old.from}`,
      next: `That of Ollama’s library is ${formatModelName({ ...name, host: OLLAMA_HOST })}`,
    })
  }
  return { text: formatModelName({ ...name, host: OLLAMA_HOST }), as }
}
