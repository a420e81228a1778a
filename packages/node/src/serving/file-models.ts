import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { toHex } from '@freehold/core/bytes'
import type { ModelSource } from '@freehold/core/device/parts'
import { describeGguf } from '@freehold/core/engine/describe-gguf'
import { ModelError, UsageError } from '@freehold/core/errors'
import { readGguf } from '../engine/read-gguf.ts'
import { BUNDLED } from '../models/acorn.ts'
import type { ManagedModel, ModelDetails, ModelManager } from './model-manager.ts'

/** Tags that everybody adds to a name without meaning anything by it. */
const DEFAULT_TAG = ':latest'
/** Longer texts of the metadata, such as merges and templates, are not for showing. */
const MAX_SHOWN_CHARACTERS = 512

/**
 * Offers the bundled models and files that the person named, and no other file: who may ask this
 * device must not read its disk.
 * @param paths of GGUF files; each is called by its file's name
 * @throws UsageError when two would be called the same
 */
export function createFileModels(
  paths: readonly string[],
  { models }: { models: ModelSource },
): ModelManager {
  const sources = new Map(Object.entries(BUNDLED))
  for (const path of paths) {
    const name = basename(path)
      .replace(/\.gguf$/i, '')
      .toLowerCase()
    if (sources.has(name)) {
      throw new UsageError({
        what: `two models would be called ${name}`,
        next: 'Rename one of the files',
      })
    }
    sources.set(name, resolve(path))
  }

  async function managed(name: string, source: string): Promise<ManagedModel> {
    const found = await stat(source).catch((cause: unknown) => {
      throw new ModelError({ what: `the file of ${name} cannot be read`, cause })
    })
    return { name, source, sizeBytes: found.size, modifiedMs: Math.floor(found.mtimeMs) }
  }

  return {
    store: null,
    list: () => Promise.all([...sources].map(([name, source]) => managed(name, source))),
    find: async (asked) => {
      const lower = asked.toLowerCase()
      const name = lower.endsWith(DEFAULT_TAG) ? lower.slice(0, -DEFAULT_TAG.length) : lower
      const source = sources.get(name)
      return source === undefined ? null : managed(name, source)
    },
    describe: (model) => describe(model, models),
  }
}

async function describe(model: ManagedModel, models: ModelSource): Promise<ModelDetails> {
  const { header } = await readGguf(model.source)
  const file = await models.find(model.source)
  // What the engine calls a model's id: a model of several files is not loaded from here.
  const sha256 = file?.manifest.files[0]?.sha256
  if (!sha256) throw new ModelError({ what: `the file of ${model.name} cannot be read` })
  const metadata: Record<string, string | number | boolean> = {}
  for (const [key, value] of header.metadata) {
    if (typeof value === 'object') continue
    if (typeof value === 'string' && value.length > MAX_SHOWN_CHARACTERS) continue
    metadata[key] = typeof value === 'bigint' ? Number(value) : value
  }
  const license = header.metadata.get('general.license')
  return {
    ...model,
    ...describeGguf(header, model.name),
    name: model.name,
    modelId: toHex(sha256),
    parameters: header.tensors.reduce(
      (sum, { dimensions }) => sum + dimensions.reduce((a, b) => a * b, 1),
      0,
    ),
    license: typeof license === 'string' ? license : '',
    metadata,
  }
}
