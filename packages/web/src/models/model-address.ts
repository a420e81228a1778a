import { UsageError } from '@freehold/core/errors'
import { say } from '../words/words.ts'

/** Where a model is, and what its bytes must hash to. */
export interface ModelAddress {
  url: string
  name: string
  /** 64 lower-case hex digits; null: a hub is asked. */
  sha256: string | null
}

/** Where the hub of this name sends whoever asks for a file. */
const HUGGING_FACE = 'huggingface.co'
const HUGGING_FACE_FILES = ['https://*.huggingface.co', 'https://*.hf.co']
/** Folders are told in pages. */
const MOST_PAGES = 20

/** @throws UsageError in words for the person when it is no address of a GGUF, or no SHA-256 */
export function readModelAddress(text: string, digest: string): ModelAddress {
  const fail = () => new UsageError({ what: say('noModelAddress') })
  if (!URL.canParse(text.trim())) throw fail()
  const url = new URL(text.trim())
  if (!isAllowed(url) || url.username !== '' || url.password !== '') throw fail()
  if (url.hostname === 'hf.co') url.hostname = HUGGING_FACE
  if (url.hostname === HUGGING_FACE) {
    url.pathname = url.pathname.replace(/^(\/[^/]+\/[^/]+)\/blob\//, '$1/resolve/')
  }
  url.hash = ''
  const file = decoded(url.pathname.split('/').at(-1) ?? '')
  if (!/.\.gguf$/i.test(file)) throw fail()
  const sha256 = digest
    .trim()
    .toLowerCase()
    .replace(/^sha256[:-]/, '')
  if (sha256 !== '' && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new UsageError({ what: say('noModelDigest') })
  }
  return { url: url.href, name: file.slice(0, -'.gguf'.length), sha256: sha256 || null }
}

/** What a page must be allowed to connect to for it, and nothing else. */
export function originsOf(url: string): string[] {
  const { origin, hostname } = new URL(url)
  return hostname === HUGGING_FACE ? [origin, ...HUGGING_FACE_FILES] : [origin]
}

/**
 * Asks the hub that an address is at for the SHA-256 that it keeps of large files (their LFS id).
 * @returns null when it is at no hub, or the hub does not say
 * @throws Error when the hub cannot be asked
 */
export async function digestAtHub(
  url: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<string | null> {
  const { origin, pathname } = new URL(url)
  const [, repository, revision = '', path = ''] =
    /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname) ?? []
  if (repository === undefined) return null
  let page: string | null = `${origin}/api/models/${repository}/tree/${revision}?recursive=true`
  for (let left = MOST_PAGES; page !== null && left > 0; left--) {
    const response: Response = await fetch(page, { ...BARE, ...(signal && { signal }) })
    if (!response.ok) return null
    const entries: unknown = await response.json()
    const found = Array.isArray(entries) && entries.find((one) => one?.path === decoded(path))
    if (found) return isDigest(found.lfs?.oid) ? found.lfs.oid : null
    const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
    // Only the hub itself is asked.
    page = next?.startsWith(`${origin}/`) ? next : null
  }
  return null
}

/** Nobody hears more than that somebody asks. */
export const BARE = { credentials: 'omit', referrerPolicy: 'no-referrer' } as const

function isAllowed({ protocol, hostname }: URL): boolean {
  const isHere = hostname === '127.0.0.1' || hostname === 'localhost'
  return protocol === 'https:' || (protocol === 'http:' && isHere)
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
