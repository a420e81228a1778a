import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { z } from 'zod'
import {
  asNamePart,
  DEFAULT_HOST,
  HUB_HOST,
  isSameTag,
  type ModelName,
  tryModelName,
} from './name.ts'
import { groupFiles } from './shards.ts'

/** Programs whose models are read where they lie. */
export type ForeignOrigin = 'ollama' | 'lm-studio' | 'hugging-face'

/** A model in another program's store; nothing of ours ever writes there. */
export interface ForeignModel {
  origin: ForeignOrigin
  name: ModelName & { tag: string }
  /** Its files, in order, as an engine loads them. */
  paths: string[]
  /** SHA-256 of its one file, hex, where the store names it so; nobody has looked. */
  saidId?: string | undefined
}

/** Where those programs keep their models; those that are not there are passed over. */
export type ForeignFolders = Readonly<Record<ForeignOrigin, readonly string[]>>

/** Their own environment variables move them, as they do for the programs themselves. */
export function foreignFolders(env = process.env, home = homedir()): ForeignFolders {
  const cache = env.XDG_CACHE_HOME || join(home, '.cache')
  const hub = env.HF_HUB_CACHE || join(env.HF_HOME || join(cache, 'huggingface'), 'hub')
  return {
    ollama: env.OLLAMA_MODELS
      ? [env.OLLAMA_MODELS]
      : // As a service of Linux it has a home of its own.
        [join(home, '.ollama', 'models'), '/usr/share/ollama/.ollama/models'],
    'lm-studio': [join(home, '.lmstudio', 'models'), join(home, '.cache', 'lm-studio', 'models')],
    'hugging-face': [hub],
  }
}

/** All models of those programs; what is damaged or not whole is passed over. */
export async function listForeignModels(folders: ForeignFolders): Promise<ForeignModel[]> {
  const found: ForeignModel[] = []
  for (const folder of folders.ollama) found.push(...(await ollamaModels(folder)))
  for (const folder of folders['lm-studio']) found.push(...(await lmStudioModels(folder)))
  for (const folder of folders['hugging-face']) found.push(...(await hubCacheModels(folder)))
  return found
}

const ollamaManifest = z.object({
  layers: z.array(
    z.object({ mediaType: z.string(), digest: z.string().regex(/^sha256:[0-9a-f]{64}$/) }),
  ),
})

/** manifests/<host>/<namespace>/<model>/<tag> name blobs/sha256-<hex>. */
async function ollamaModels(folder: string): Promise<ForeignModel[]> {
  const found: ForeignModel[] = []
  for (const path of await filesIn(join(folder, 'manifests'))) {
    const parts = path.split(/[/\\]/).slice(-4)
    const [host = '', namespace, model, tag] = parts
    // Its own registry is what a name without a host means there.
    const shown = host === 'registry.ollama.ai' ? DEFAULT_HOST : host
    const name = tryModelName(`${shown}/${namespace}/${model}:${tag}`)
    if (name === null || name.tag === null || parts.length < 4) continue
    const layers = await ollamaLayers(path)
    const weights = layers.filter(({ mediaType }) => mediaType.endsWith('.image.model'))
    // With an adapter it is another model than its weights say.
    const hasAdapter = layers.some(({ mediaType }) => mediaType.endsWith('.image.adapter'))
    const [only] = weights
    if (only === undefined || weights.length > 1 || hasAdapter) continue
    const blob = join(folder, 'blobs', only.digest.replace(':', '-'))
    if (!(await isFile(blob))) continue
    const saidId = only.digest.slice('sha256:'.length)
    found.push({ origin: 'ollama', name: { ...name, tag: name.tag }, paths: [blob], saidId })
  }
  return found
}

async function ollamaLayers(path: string): Promise<z.infer<typeof ollamaManifest>['layers']> {
  try {
    return ollamaManifest.parse(JSON.parse(await readFile(path, 'utf8'))).layers
  } catch {
    return []
  }
}

/** <user>/<repository>/<file>.gguf. */
async function lmStudioModels(folder: string): Promise<ForeignModel[]> {
  const found: ForeignModel[] = []
  for (const user of await foldersIn(folder)) {
    for (const repository of await foldersIn(join(folder, user))) {
      const files = await filesIn(join(folder, user, repository))
      found.push(...hubModels('lm-studio', user, repository, files))
    }
  }
  return found
}

/** models--<user>--<repository>/snapshots/<commit>/<file>.gguf, links into blobs/. */
async function hubCacheModels(folder: string): Promise<ForeignModel[]> {
  const found: ForeignModel[] = []
  for (const entry of await foldersIn(folder)) {
    const [, user, repository] = /^models--(.+?)--(.+)$/.exec(entry) ?? []
    if (user === undefined || repository === undefined) continue
    const snapshots = join(folder, entry, 'snapshots')
    const main = await readFile(join(folder, entry, 'refs', 'main'), 'utf8').catch(() => '')
    const commits = await foldersIn(snapshots)
    const used = commits.includes(main.trim()) ? [main.trim()] : commits
    const files = (await Promise.all(used.map((commit) => filesIn(join(snapshots, commit))))).flat()
    for (const model of hubModels('hugging-face', user, repository, files)) {
      found.push({ ...model, saidId: await linkedBlob(model.paths) })
    }
  }
  return found
}

/** Large files of the cache are links to blobs that are called by their SHA-256. */
async function linkedBlob([path = '', ...more]: readonly string[]): Promise<string | undefined> {
  const target = more.length > 0 ? '' : await readlink(path).catch(() => '')
  return /^[0-9a-f]{64}$/.exec(basename(target))?.[0]
}

function hubModels(
  origin: ForeignOrigin,
  user: string,
  repository: string,
  paths: readonly string[],
): ForeignModel[] {
  const found: ForeignModel[] = []
  const isTaken = (tag: string) => found.some(({ name }) => isSameTag(name.tag, tag))
  for (const { stem, quantisation, files } of groupFiles(paths, (path) => path)) {
    const short = quantisation ?? stem
    const tag = asNamePart(isTaken(short) ? stem : short)
    const name = tryModelName(`${HUB_HOST}/${user}/${repository}:${tag}`)
    if (name !== null && !isTaken(tag)) found.push({ origin, name: { ...name, tag }, paths: files })
  }
  return found
}

/** Names of the folders in a folder; none when it is not there or may not be read. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch(() => [])
  const kinds = await Promise.all(entries.map((entry) => kindOf(join(folder, entry))))
  return entries.filter((_, index) => kinds[index] === 'folder')
}

/** Paths of all files below a folder, links to files included, other links not followed. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const paths = entries
    .filter((entry) => !entry.isDirectory() && !basename(entry.name).startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
  const areFiles = await Promise.all(paths.map(isFile))
  return paths.filter((_, index) => areFiles[index])
}

async function isFile(path: string): Promise<boolean> {
  return (await kindOf(path)) === 'file'
}

async function kindOf(path: string): Promise<'file' | 'folder' | null> {
  const found = await stat(path).catch(() => null)
  if (found?.isFile()) return 'file'
  return found?.isDirectory() ? 'folder' : null
}
