const SHARD = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/i
const MAX_SHARDS = 1_024

/** A file that is one of several of a model: `stem-00001-of-0000N.gguf`. */
export interface Shard {
  stem: string
  /** From 1. */
  index: number
  count: number
  /** File names of all of them, in order. */
  all: string[]
}

/** @returns null when the name is that of a whole model */
export function parseShard(fileName: string): Shard | null {
  const [, stem = '', index, count, ending] = SHARD.exec(fileName) ?? []
  const [at, of] = [Number(index), Number(count)]
  if (!(at >= 1 && at <= of && of >= 2 && of <= MAX_SHARDS)) return null
  const number = (value: number) => String(value).padStart(5, '0')
  const all = Array.from({ length: of }, (_, i) => `${stem}-${number(i + 1)}-of-${count}${ending}`)
  return { stem, index: at, count: of, all }
}

const QUANTISATION =
  /(?:^|[-._])((?:UD-)?(?:I?Q\d[A-Z\d]*(?:_[A-Z\d]+)*|TQ\d_\d|BF16|F16|F32|MXFP4(?:_MOE)?))$/i

/** The quantisation that a file's name ends with, as it is written there. */
export function quantisationIn(fileName: string): string | null {
  return QUANTISATION.exec(stemOf(fileName))?.[1] ?? null
}

/** A model file's name without its ending and its number among several. */
export function stemOf(fileName: string): string {
  return parseShard(fileName)?.stem ?? fileName.replace(/\.gguf$/i, '')
}

/** A group of files that are one model, in order. */
export interface ModelFiles<T> {
  stem: string
  /** For a tag; null when the name says none. */
  quantisation: string | null
  files: T[]
}

/**
 * Groups files into models: several of one model become one, in order; those that lack some are left
 * out, and so are files that are no language model (`mmproj`, importance matrices).
 * @param pathOf a file's path; those in different folders are different models
 */
export function groupFiles<T>(files: readonly T[], pathOf: (file: T) => string): ModelFiles<T>[] {
  const byPath = new Map(files.map((file) => [pathOf(file), file]))
  const groups: ModelFiles<T>[] = []
  for (const path of [...byPath.keys()].sort()) {
    const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1
    const [folder, fileName] = [path.slice(0, cut), path.slice(cut)]
    if (!/\.gguf$/i.test(fileName) || /mmproj|imatrix/i.test(fileName)) continue
    const shard = parseShard(fileName)
    if (shard !== null && shard.index > 1) continue
    const names = shard?.all ?? [fileName]
    const found = names.flatMap((name) => byPath.get(folder + name) ?? [])
    if (found.length < names.length) continue
    const inName = quantisationIn(fileName)
    // Hosts put large models into one folder for each quantisation.
    const quantisation = inName ?? quantisationIn(folder.slice(0, -1).split(/[/\\]/).at(-1) ?? '')
    groups.push({ stem: stemOf(fileName), quantisation, files: found })
  }
  return groups
}
