import { createHash } from 'node:crypto'
import { rm, stat } from 'node:fs/promises'
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
import { asNamePart, parseModelName } from './name.ts'
import { findInRegistry } from './ollama-registry.ts'
import { fetchFromPeers, findAtPeers, type PeerFile, type Swarm } from './pull-from-peers.ts'
import { type FileHashes, hashPieces, modelIdOf } from './read-model-file.ts'
import { parseReference, type Reference } from './reference.ts'
import type { RetryComponents } from './retry.ts'
import { nameOf, requireFreeName, storableName } from './store.ts'
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
  /** Peers, which are asked before the host. @default none */
  swarm?: Swarm | undefined
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
  if (reference.kind === 'digest') {
    const model = await library.store.byId(reference.digest)
    if (model !== null) return { model, isUpToDate: true }
  }
  const remote = await findRemote(reference, { ...init, onWait }, { ...components, ...waits })
  try {
    return await fetchAll(remote, reference.digest, { ...init, onWait }, components)
  } catch (error) {
    signal?.throwIfAborted()
    throw storeError(error, library.store.folder)
  }
}

async function findRemote(
  reference: Reference,
  init: HubInit,
  components: Pick<PullComponents, 'swarm' | 'wait'>,
): Promise<RemoteModel> {
  const { digest } = reference
  const { swarm } = components
  if (reference.kind === 'digest') return findByDigest(reference.digest, init, swarm)
  try {
    const waits = components.wait ? { wait: components.wait } : undefined
    const remote = await findAtHost(reference, init, waits)
    const [only] = remote.files
    if (swarm === undefined || digest === null || !only || remote.files.length > 1) return remote
    // Where its host says nothing of a file's bytes, the name does: then peers can have them too.
    return { ...remote, files: [{ ...only, sha256: only.sha256 ?? digest }] }
  } catch (error) {
    init.signal?.throwIfAborted()
    // Without its host a model that is named by its bytes can still be had.
    if (digest === null || swarm === undefined || !(error instanceof ModelError)) throw error
    return findByDigest(digest, init, swarm).catch(() => Promise.reject(error))
  }
}

function findAtHost(
  reference: Exclude<Reference, { kind: 'digest' }>,
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

/** What peers have under an id. Its name is what its own bytes say, once they are here. */
async function findByDigest(
  digest: string,
  { signal }: HubInit,
  swarm: Swarm | undefined,
): Promise<RemoteModel> {
  if (swarm === undefined) {
    throw new ModelError({
      what: `nobody is known who has sha256:${digest}`,
      next: 'Name a peer that seeds it with --peer, or pull it from its host: freehold pull hf.co/USER/REPO',
    })
  }
  const files = await findAtPeers(digest, swarm, { signal })
  const stem = `sha256-${digest.slice(0, 12)}`
  const number = (value: number) => String(value).padStart(5, '0')
  const nameOfFile = (index: number) =>
    files.length === 1
      ? `${stem}.gguf`
      : `${stem}-${number(index + 1)}-of-${number(files.length)}.gguf`
  return {
    name: storableName(parseModelName(stem)),
    headers: {},
    files: files.map((file, index) => ({
      fileName: nameOfFile(index),
      url: new URL(`${PEERS}${digest}`),
      sizeBytes: file.sizeBytes ?? 0,
      sha256: file.sha256,
      etag: null,
      atPeers: file,
    })),
  }
}

/** Of models that came from peers: no host is behind it. */
const PEERS = 'sha256:'

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
      const show = (status: 'pulling' | 'verifying', bytes: number, of = file.sizeBytes) =>
        init.onProgress?.({
          status,
          file: file.fileName,
          completedBytes: beforeBytes + bytes,
          totalBytes: totalBytes - file.sizeBytes + of,
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
      const fetched =
        found ?? (await fetchFile(file, path, remote, { ...init, show, digest }, components))
      if (found === null) incoming.set(toHex(fetched.sha256), path)
      files.push({ ...fetched, fileName: file.fileName })
      beforeBytes += file.sizeBytes
    }
    const modelId = modelIdOf({ files: files.map(({ fileName: _, ...file }) => file) })
    if (digest !== null && digest !== modelId) {
      for (const path of incoming.values()) await removePart(path)
      throw wrongBytes(nameOf(remote), digest, modelId)
    }
    const [firstPath] = incoming.values()
    const isFromPeers = remote.files[0]?.url.protocol === PEERS
    const name =
      init.as ??
      (isFromPeers && firstPath !== undefined
        ? await ownName(firstPath, remote.name, modelId, store)
        : remote.name)
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
  init: FetchFileInit,
  components: PullComponents,
): Promise<Omit<StoredFile, 'fileName'>> {
  const { signal } = init
  const { library } = components
  const fromPeers = await peersFetch(file, path, init, components)
  const { chunkHashes, ...hashes } =
    fromPeers ?? (await hostFetch(file, path, remote, init, components))
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

type FetchFileInit = FetchInit & {
  digest: string | null
  show: (status: 'pulling' | 'verifying', bytes: number, ofBytes?: number) => void
}

/** @returns null when peers do not have all of it; what they had is in the part file */
async function peersFetch(
  file: RemoteFile,
  path: string,
  { show, signal, digest }: FetchFileInit,
  { swarm, library }: PullComponents,
): Promise<FileHashes | null> {
  const { sha256, sizeBytes } = file
  if (swarm === undefined || sha256 === null) return null
  const stored = (await library.store.list()).flatMap((model) => model.files)
  const known = stored.find((one) => toHex(one.sha256) === sha256)
  const wanted: PeerFile = file.atPeers ?? {
    sha256,
    sizeBytes,
    chunkRoot: known?.chunkRoot ?? null,
  }
  const result = await fetchFromPeers(
    wanted,
    {
      path,
      modelId: digest ?? sha256,
      onBytes: (bytes, of) => show('pulling', bytes, of),
      onVerify: (bytes) => show('verifying', bytes, bytes),
      signal,
    },
    swarm,
  )
  if (result !== null || file.url.protocol !== PEERS) return result?.hashes ?? null
  throw new ModelError({
    what: `the peers that have ${file.fileName} are gone, or none of them had it whole`,
    next: 'What was fetched is kept: the same command goes on there. Name more peers with --peer',
  })
}

async function hostFetch(
  file: RemoteFile,
  path: string,
  remote: RemoteModel,
  init: FetchFileInit,
  components: PullComponents,
): Promise<FileHashes> {
  const { connections, pieceBytes, stallMs, signal, show } = init
  const from = { ...file, headers: remote.headers, path, onWait: init.onWait, signal }
  const fetchAndHash = async () => {
    await download(
      { ...from, connections, pieceBytes, stallMs, onBytes: (bytes) => show('pulling', bytes) },
      components,
    )
    show('verifying', file.sizeBytes)
    return hashPieces(path, { signal })
  }
  const hasPeers = components.swarm !== undefined && file.sha256 !== null
  const hadPart = hasPeers && (await stat(path).catch(() => undefined)) !== undefined
  const hashes = await fetchAndHash()
  if (!hadPart || file.sha256 === toHex(hashes.sha256)) return hashes
  // A part of it came from peers, whose list of chunks nothing has proven: without that part, once.
  await removePart(path)
  return fetchAndHash()
}

/** What a model calls itself, unless that means another one here. */
async function ownName(
  path: string,
  otherwise: StoredModel['name'],
  modelId: string,
  store: ModelLibrary['store'],
): Promise<StoredModel['name']> {
  const { header } = await readGguf(path)
  const says = header.metadata.get('general.name')
  if (typeof says !== 'string' || says.trim() === '') return otherwise
  const name = storableName(parseModelName(asNamePart(says.trim().toLowerCase())))
  const isFree = await requireFreeName(store, name, modelId).then(
    () => true,
    () => false,
  )
  return isFree ? name : otherwise
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
