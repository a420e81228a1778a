import { ModelError } from '@freehold/core/errors'
import { z } from 'zod'
import { request } from './http-errors.ts'
import { ATTEMPTS, type HubInit, IDENTITY, type RemoteModel, TIMEOUT_MS } from './hub.ts'
import { asNamePart, DEFAULT_TAG, formatModelName, OLLAMA_HOST } from './name.ts'
import { readJson } from './read-json.ts'
import type { OllamaReference } from './reference.ts'
import { type RetryComponents, realWait, withRetries } from './retry.ts'

export const DEFAULT_REGISTRY = 'https://registry.ollama.ai'
export const REGISTRY_SETTING = 'FREEHOLD_OLLAMA_REGISTRY'

const MANIFEST_TYPE = 'application/vnd.docker.distribution.manifest.v2+json'
const LAYER = 'application/vnd.ollama.image.'

const layerSchema = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number().int().nonnegative(),
})
const schema = z.object({ layers: z.array(layerSchema) })
type Layer = z.infer<typeof layerSchema>

/**
 * Asks Ollama's registry where a model's weights are. Its other layers (template, parameters, system
 * message) are for Ollama: the chat template and the licence are those of the GGUF itself.
 * @throws ModelError when the model is not there or is more than one GGUF
 */
export async function findInRegistry(
  { namespace, model, tag }: OllamaReference,
  init: HubInit = {},
  components: RetryComponents = realWait,
): Promise<RemoteModel> {
  const endpoint = (init.registry || DEFAULT_REGISTRY).replace(/\/+$/, '')
  const root = `${endpoint}/v2/${namespace}/${model}`
  const url = new URL(`${root}/manifests/${tag ?? DEFAULT_TAG}`)
  const { signal } = init
  const { layers } = await withRetries(
    async () => {
      const headers = { ...IDENTITY, accept: MANIFEST_TYPE }
      const response = await request(url, {
        headers,
        timeoutMs: TIMEOUT_MS,
        locked:
          'Look whether the name is right. Private models of Ollama can only be pulled with Ollama itself',
        signal,
      })
      return readJson(response, {
        url,
        schema,
        like: 'the registry of Ollama',
        setting: REGISTRY_SETTING,
        signal,
      })
    },
    { attempts: ATTEMPTS, onWait: init.onWait, signal },
    components,
  )
  const name = { host: OLLAMA_HOST, namespace, model, tag: tag ?? DEFAULT_TAG, digest: null }
  const { digest, size } = weightsOf(layers, formatModelName(name))
  const file = {
    fileName: `${asNamePart(`${model}-${name.tag}`)}.gguf`,
    url: new URL(`${root}/blobs/${digest}`),
    sizeBytes: size,
    sha256: digest.slice('sha256:'.length),
    etag: null,
  }
  return { name, files: [file], headers: IDENTITY }
}

function weightsOf(layers: readonly Layer[], name: string): Layer {
  const of = (kind: string) => layers.filter(({ mediaType }) => mediaType === LAYER + kind)
  const [only, ...more] = of('model')
  const why =
    of('adapter').length > 0
      ? 'it is made with an adapter, so it is another model than its weights'
      : only === undefined
        ? 'it has no weights in the GGUF format'
        : more.length > 0
          ? 'its weights are several files'
          : null
  if (only !== undefined && why === null) return only
  const next = 'Look for it, or for one like it, on the Hugging Face hub (hf.co/USER/REPO)'
  throw new ModelError({ what: `${name} cannot be used`, why: why ?? undefined, next })
}
