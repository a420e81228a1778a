import { describeGguf } from '@freehold/core/engine/describe-gguf'
import type { GgufHeader } from '@freehold/core/engine/gguf'
import { readGguf } from '../engine/read-gguf.ts'
import type { FoundModel } from './library.ts'

/** What a model's files say of it. */
export interface ModelDescription {
  title: string
  architecture: string
  parameters: number
  contextTokens: number
  embeddingLength: number | null
  quantisation: string
  sizeBytes: number
  license: string
  chatTemplate: string
  /** Plain values of its metadata. */
  metadata: Record<string, string | number | bigint | boolean>
  /** Lists of its metadata: how many entries they have. */
  lists: Record<string, number>
}

/** Reads the headers of a model's files. @throws ModelError when one is no sound GGUF */
export async function describeModelFiles(
  { name, paths }: Pick<FoundModel, 'name' | 'paths'>,
  init: { signal?: AbortSignal | undefined } = {},
): Promise<ModelDescription> {
  const read = []
  for (const path of paths) read.push(await readGguf(path, init))
  const [first, ...others] = read
  if (first === undefined) throw new TypeError('a model has files')
  const { header } = first
  const metadata: ModelDescription['metadata'] = {}
  const lists: ModelDescription['lists'] = {}
  for (const [key, value] of header.metadata) {
    if (typeof value === 'object') lists[key] = value.count
    else metadata[key] = value
  }
  const { name: title, ...described } = describeGguf(header, name)
  const tensors = [first, ...others].flatMap((file) => file.header.tensors)
  const embedding = header.metadata.get(`${described.architecture}.embedding_length`)
  return {
    title,
    architecture: described.architecture,
    parameters: tensors.reduce((sum, { dimensions }) => sum + product(dimensions), 0),
    contextTokens: described.contextTokens,
    embeddingLength: typeof embedding === 'number' ? embedding : null,
    quantisation: described.quantisation,
    sizeBytes: read.reduce((sum, { stats }) => sum + stats.size, 0),
    license: text(header, 'general.license'),
    chatTemplate: described.chatTemplate,
    metadata,
    lists,
  }
}

function text(header: GgufHeader, key: string): string {
  const value = header.metadata.get(key)
  return typeof value === 'string' ? value : ''
}

function product(dimensions: readonly number[]): number {
  return dimensions.reduce((all, size) => all * size, 1)
}
