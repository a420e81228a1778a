import { ModelError } from '@freehold/core/errors'
import { z } from 'zod'
import { request } from './http-errors.ts'
import type { StoredModel } from './manifest-file.ts'
import { asNameHost, asNamePart, DEFAULT_TAG, HUB_HOST, USUAL_TAGS } from './name.ts'
import type { PeerFile } from './pull-from-peers.ts'
import { readJson } from './read-json.ts'
import type { HubReference, UrlReference } from './reference.ts'
import { type RetryComponents, realWait, withRetries } from './retry.ts'
import { groupFiles, type ModelFiles, parseShard, stemOf } from './shards.ts'

/** A file to fetch. */
export interface RemoteFile {
  fileName: string
  url: URL
  sizeBytes: number
  /** What its host says that its SHA-256 is, hex; null: it says nothing. */
  sha256: string | null
  /** Changes with the file; null: its host says nothing. */
  etag: string | null
  /** What peers say of it, where no host was asked. */
  atPeers?: PeerFile | undefined
}

/** What a pull will fetch, and under which name. */
export interface RemoteModel {
  name: StoredModel['name']
  files: RemoteFile[]
  /** Sent with each request for a file. */
  headers: Record<string, string>
}

/** Where models are pulled from, and as whom. */
export interface HubSettings {
  /** HF_ENDPOINT. */
  endpoint?: string | undefined
  /** Asked one after the other where HF_ENDPOINT names none; the token goes to the first alone. */
  endpoints?: readonly string[] | undefined
  /** HF_TOKEN. */
  token?: string | undefined
  /** FREEHOLD_OLLAMA_REGISTRY. */
  registry?: string | undefined
}

export interface HubInit extends HubSettings {
  onWait?: ((why: string, ms: number) => void) | undefined
  signal?: AbortSignal | undefined
}

export const DEFAULT_ENDPOINT = 'https://huggingface.co'
/** How patiently a host is asked what it has. */
export const ATTEMPTS = 5
export const TIMEOUT_MS = 30_000
const MAX_PAGES = 100
export const IDENTITY = { 'user-agent': 'freehold/0.1', 'accept-encoding': 'identity' }

const treeSchema = z.array(
  z.object({
    type: z.string(),
    path: z.string(),
    size: z.number().int().nonnegative().optional(),
    lfs: z
      .object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.number().int().nonnegative() })
      .optional(),
  }),
)
type TreeEntry = z.infer<typeof treeSchema>[number]
const TREE = { schema: treeSchema, like: 'the Hugging Face hub', setting: 'HF_ENDPOINT' }

/** Asks the hub which files a model has, or the next one. @throws ModelError when none has it */
export async function findOnHub(
  reference: HubReference,
  init: HubInit = {},
  components: RetryComponents = realWait,
): Promise<RemoteModel> {
  const [first, ...others] = init.endpoint
    ? [init.endpoint]
    : (init.endpoints ?? [DEFAULT_ENDPOINT])
  if (first === undefined) {
    throw new ModelError({
      what: `${reference.user}/${reference.repository} cannot be fetched`,
      why: 'the setting modelHosts is empty',
      next: 'Add a host to it, set HF_ENDPOINT, or bring the file: freehold import FILE',
    })
  }
  try {
    return await findOnHost(first, reference, init, components)
  } catch (error) {
    init.signal?.throwIfAborted()
    if (others.length === 0) throw error
    init.onWait?.(`${first} does not help (${(error as Error).message})`, 0)
    const next = { ...init, endpoint: undefined, token: undefined, endpoints: others }
    return findOnHub(reference, next, components)
  }
}

async function findOnHost(
  host: string,
  reference: HubReference,
  init: HubInit,
  components: RetryComponents,
): Promise<RemoteModel> {
  const { user, repository, revision } = reference
  const endpoint = host.replace(/\/+$/, '')
  const headers = init.token ? { ...IDENTITY, authorization: `Bearer ${init.token}` } : IDENTITY
  const api = `${endpoint}/api/models/${user}/${repository}/tree/${encodeURIComponent(revision)}`
  const entries: TreeEntry[] = []
  let page: URL | null = new URL(`${api}?recursive=true`)
  for (let pages = 0; page !== null && pages < MAX_PAGES; pages++) {
    const url: URL = page
    const { found, next } = await withRetries(
      async () => {
        const { signal } = init
        const response = await request(url, { headers, timeoutMs: TIMEOUT_MS, signal })
        const found = await readJson(response, { url, signal, ...TREE })
        return { found, next: nextPage(response, url) }
      },
      { attempts: ATTEMPTS, onWait: init.onWait, signal: init.signal },
      components,
    )
    entries.push(...found)
    page = next
  }
  const { files, tag } = choose(entries, reference)
  const root = `${endpoint}/${user}/${repository}/resolve/${encodeURIComponent(revision)}`
  return {
    name: { host: HUB_HOST, namespace: user, model: repository, tag, digest: null },
    headers,
    files: files.map(({ path, size, lfs }) => ({
      fileName: path.split('/').at(-1) ?? path,
      url: new URL(`${root}/${path.split('/').map(encodeURIComponent).join('/')}`),
      sizeBytes: lfs?.size ?? size ?? 0,
      sha256: lfs?.oid ?? null,
      etag: null,
    })),
  }
}

/** The address behind `rel="next"`, on the same host alone: the token goes with it. */
function nextPage(response: Response, url: URL): URL | null {
  const link = /<([^>]+)>\s*;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
  if (link === undefined || !URL.canParse(link, url)) return null
  const next = new URL(link, url)
  return next.origin === url.origin ? next : null
}

function choose(
  entries: readonly TreeEntry[],
  { user, repository, quantisation, file }: HubReference,
): { files: TreeEntry[]; tag: string } {
  const listed = entries.filter((entry) => entry.type === 'file')
  const groups = groupFiles(listed, (entry) => entry.path)
  const name = `${HUB_HOST}/${user}/${repository}`
  if (file !== null) {
    const group = groups.find(({ files }) => files.some((entry) => entry.path === file))
    if (group) return { files: group.files, tag: asNamePart(group.stem) }
    throw notThere(name, `file ${file}`, groups)
  }
  if (groups.length === 0) {
    const why = 'its repository has no GGUF file'
    throw new ModelError({
      what: `${name} cannot be used`,
      why,
      next: 'Look for one that has some',
    })
  }
  const means = ({ quantisation, stem }: ModelFiles<TreeEntry>, wanted: string) =>
    [quantisation, quantisation?.replace(/^UD-/i, ''), stem].some(
      (label) => label?.toLowerCase() === wanted.toLowerCase(),
    )
  const wanted = quantisation === DEFAULT_TAG ? null : quantisation
  const [, usual] = USUAL_TAGS
  const found =
    groups.find((group) => means(group, wanted ?? usual)) ??
    (wanted === null ? groups[0] : undefined)
  if (found === undefined) throw notThere(name, `quantisation ${wanted}`, groups)
  return { files: found.files, tag: asNamePart(found.quantisation ?? found.stem) }
}

function notThere(
  name: string,
  what: string,
  groups: readonly ModelFiles<TreeEntry>[],
): ModelError {
  const labels = groups.map(({ quantisation, stem }) => quantisation ?? stem)
  const next = `It has ${labels.slice(0, 40).join(', ') || 'no GGUF file'}`
  return new ModelError({ what: `${name} has no ${what}`, next })
}

/** Asks an address, and those of its other files, what is there. */
export async function findAtUrl(
  { url }: UrlReference,
  init: HubInit = {},
  components: RetryComponents = realWait,
): Promise<RemoteModel> {
  const folder = url.pathname.slice(0, url.pathname.lastIndexOf('/') + 1)
  const first = decode(url.pathname.slice(folder.length))
  const names = parseShard(first)?.all ?? [first]
  const files: RemoteFile[] = []
  for (const fileName of names) {
    const at = new URL(`${folder}${encodeURIComponent(fileName)}${url.search}`, url)
    files.push(
      await withRetries(
        () => describeFile(at, fileName, init.signal),
        { attempts: ATTEMPTS, onWait: init.onWait, signal: init.signal },
        components,
      ),
    )
  }
  const parent = folder.split('/').filter(Boolean).at(-1) ?? 'files'
  const name = {
    host: asNameHost(url),
    namespace: asNamePart(decode(parent)),
    model: asNamePart(stemOf(first)),
    tag: DEFAULT_TAG,
    digest: null,
  }
  return { name, files, headers: IDENTITY }
}

/** What an address spells wrongly stays as it is spelt. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

async function describeFile(
  url: URL,
  fileName: string,
  signal: AbortSignal | undefined,
): Promise<RemoteFile> {
  const { headers } = await request(url, {
    method: 'HEAD',
    headers: IDENTITY,
    timeoutMs: TIMEOUT_MS,
    signal,
  })
  const sizeBytes = Number(headers.get('x-linked-size') ?? headers.get('content-length'))
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
    const what = `${url.host} does not say how large ${fileName} is`
    throw new ModelError({ what, next: 'Fetch it with a browser, then: freehold import FILE' })
  }
  return { fileName, url, sizeBytes, sha256: null, etag: headers.get('etag') }
}
