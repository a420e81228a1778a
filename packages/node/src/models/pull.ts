import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { setGlobalProxyFromEnv } from 'node:http'
import { join } from 'node:path'
import { toHex } from '@freehold/core/bytes'
import type { ModelFile } from '@freehold/core/device/parts'
import { ModelError } from '@freehold/core/errors'
import { readGguf } from '../engine/read-gguf.ts'
import { holdFile } from '../storage/hold-file.ts'
import { type DownloadComponents, download, removePart } from './download.ts'
import {
  findAtUrl,
  findOnHub,
  type HubInit,
  type HubSettings,
  type RemoteFile,
  type RemoteModel,
} from './hub.ts'
import type { ModelLibrary } from './library.ts'
import type { StoredFile, StoredModel } from './manifest-file.ts'
import { findInRegistry } from './ollama-registry.ts'
import { hashPieces, modelIdOf } from './read-model-file.ts'
import { parseReference, type Reference } from './reference.ts'
import type { RetryComponents } from './retry.ts'
import { nameOf } from './store.ts'
import { storeError } from './store-error.ts'

/** What a pull is doing. Bytes are of all files of the model, and never fall. */
export type PullProgress =
  | { status: 'asking' }
  | { status: 'pulling' | 'verifying'; file: string; completedBytes: number; totalBytes: number }
  /** Another process fetches the same file. */
  | { status: 'waiting'; file: string }
  | { status: 'retrying'; why: string; inMs: number }

export interface PullInit extends Pick<HubInit, keyof HubSettings | 'signal'> {
  /** A name to store it under, instead of its own. */
  as?: StoredModel['name'] | undefined
  onProgress?: ((progress: PullProgress) => void) | undefined
  connections?: number | undefined
  pieceBytes?: number | undefined
  stallMs?: number | undefined
}

export interface PullComponents extends Partial<Pick<DownloadComponents, 'wait' | 'open'>> {
  library: Pick<ModelLibrary, 'store' | 'known'>
}

export interface Pulled {
  model: StoredModel
  /** Whether nothing had to be fetched. */
  isUpToDate: boolean
}

/**
 * Fetches a model into the store: in parts, going on where it was stopped, under its name only once
 * its bytes are those that its host promised and a sound GGUF.
 * @throws UsageError when the text names nothing that can be fetched; ModelError
 */
export async function pull(
  text: string,
  init: PullInit,
  components: PullComponents,
): Promise<Pulled> {
  const { signal } = init
  const { library } = components
  const reference = parseReference(text)
  const onWait = (why: string, inMs: number) => init.onProgress?.({ status: 'retrying', why, inMs })
  const waits = components.wait ? { wait: components.wait } : undefined
  init.onProgress?.({ status: 'asking' })
  const remote = await findRemote(reference, { ...init, onWait }, waits)
  try {
    return await fetchAll(remote, reference.digest, { ...init, onWait }, components)
  } catch (error) {
    signal?.throwIfAborted()
    throw storeError(error, library.store.folder)
  }
}

function findRemote(
  reference: Reference,
  init: HubInit,
  components: RetryComponents | undefined,
): Promise<RemoteModel> {
  switch (reference.kind) {
    case 'hub':
      return findOnHub(reference, init, components)
    case 'ollama':
      return findInRegistry(reference, init, components)
    case 'url':
      return findAtUrl(reference, init, components)
  }
}

type FetchInit = PullInit & { onWait: (why: string, ms: number) => void }

async function fetchAll(
  remote: RemoteModel,
  digest: string | null,
  init: FetchInit,
  components: PullComponents,
): Promise<Pulled> {
  const { store } = components.library
  const totalBytes = remote.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const files: StoredFile[] = []
  const incoming = new Map<string, string>()
  const holds: Disposable[] = []
  try {
    let beforeBytes = 0
    for (const file of remote.files) {
      const show = (status: 'pulling' | 'verifying', bytes: number) =>
        init.onProgress?.({
          status,
          file: file.fileName,
          completedBytes: beforeBytes + bytes,
          totalBytes,
        })
      const path = partPath(store.downloads, file)
      const own = await findOwn(file, components)
      if (own === null) {
        const onWaitForOther = () => init.onProgress?.({ status: 'waiting', file: file.fileName })
        const { signal } = init
        holds.push(await holdFile(`${path}.lock`, { onWait: onWaitForOther, signal }))
      }
      // The other process may have fetched it meanwhile.
      const found = own ?? (await findOwn(file, components))
      const fetched = found ?? (await fetchFile(file, path, remote, { ...init, show }, components))
      if (found === null) incoming.set(toHex(fetched.sha256), path)
      files.push({ ...fetched, fileName: file.fileName })
      beforeBytes += file.sizeBytes
    }
    const modelId = modelIdOf({ files: files.map(({ fileName: _, ...file }) => file) })
    if (digest !== null && digest !== modelId) {
      for (const path of incoming.values()) await removePart(path)
      throw wrongBytes(nameOf(remote), digest, modelId)
    }
    const name = init.as ?? remote.name
    const from = remote.files[0]?.url.href ?? ''
    const model = { name, files, from: withoutQuery(from), addedAtMs: Date.now() }
    const before = await store.find({ ...name, digest: null })
    const stored =
      before?.modelId === modelId
        ? before
        : await store.add(model, incoming, { signal: init.signal })
    for (const path of incoming.values()) {
      await removePart(path)
      // Whoever waits for it finds the file in the store.
      await rm(`${path}.lock`, { force: true }).catch(() => {})
    }
    return { model: stored, isUpToDate: incoming.size === 0 && stored === before }
  } finally {
    for (const hold of holds) hold[Symbol.dispose]()
  }
}

/** A file that is in the store already, whichever model brought it. */
async function findOwn(
  { sha256, sizeBytes }: RemoteFile,
  { library: { store } }: PullComponents,
): Promise<Omit<StoredFile, 'fileName'> | null> {
  if (sha256 === null || !(await store.hasBlob(sha256, sizeBytes))) return null
  const all = (await store.list()).flatMap((model) => model.files)
  const found = all.find((file) => toHex(file.sha256) === sha256)
  if (found === undefined) return null
  const { fileName: _, ...file } = found
  return file
}

async function fetchFile(
  file: RemoteFile,
  path: string,
  remote: RemoteModel,
  init: FetchInit & { show: (status: 'pulling' | 'verifying', bytes: number) => void },
  components: PullComponents,
): Promise<Omit<StoredFile, 'fileName'>> {
  const { signal, show } = init
  const { library } = components
  const from = { ...file, headers: remote.headers, path, onWait: init.onWait, signal }
  const { connections, pieceBytes, stallMs } = init
  await download(
    { ...from, connections, pieceBytes, stallMs, onBytes: (bytes) => show('pulling', bytes) },
    components,
  )
  show('verifying', file.sizeBytes)
  const { chunkHashes, ...hashes } = await hashPieces(path, { signal })
  const sha256 = toHex(hashes.sha256)
  if (file.sha256 !== null && file.sha256 !== sha256) {
    await removePart(path)
    throw wrongBytes(file.fileName, file.sha256, sha256)
  }
  try {
    const { header } = await readGguf(path, { signal })
    const whole = { ...hashes, headerBytes: header.dataOffset }
    const known: ModelFile = { source: path, manifest: { files: [whole] }, chunkHashes }
    await library.known.keep(path, known)
    return whole
  } catch (error) {
    // Fetching it again would bring the same.
    if (error instanceof ModelError) await removePart(path)
    throw error
  }
}

function partPath(downloads: string, { sha256, url, etag, sizeBytes }: RemoteFile): string {
  const key = [withoutQuery(url.href), etag, sizeBytes].join('\n')
  const name = sha256 ?? `url-${createHash('sha256').update(key).digest('hex')}`
  return join(downloads, `${name}.part`)
}

/** What signs an address is nobody's business later. */
function withoutQuery(href: string): string {
  return href.replace(/[?#].*$/, '').replace(/\/\/[^/@]*@/, '//')
}

function wrongBytes(name: string, wanted: string, got: string): ModelError {
  return new ModelError({
    what: `${name} is not what was promised`,
    why: `its SHA-256 should be ${wanted} and is ${got}`,
    next: 'What came was removed. Pull it again; if that goes on, its host or something on the way changes it',
  })
}

/**
 * Sends what this process fetches through the proxies that the environment names, as other programs
 * do. @returns a function that ends it
 */
export function useProxies(env = process.env): () => void {
  const names = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY']
  if (!names.some((name) => env[name])) return () => {}
  if (typeof setGlobalProxyFromEnv === 'function') return setGlobalProxyFromEnv(env)
  throw new ModelError({
    what: 'this version of Node knows no proxies',
    why: `it is ${process.version}, and they came with 24.14 and 26`,
    next: 'Start a newer one, or unset HTTPS_PROXY',
  })
}
