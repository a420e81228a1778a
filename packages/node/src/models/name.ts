import { UsageError } from '@freehold/core/errors'

/** What a model in the store goes by. Two names that differ in case alone are the same. */
export interface ModelName {
  host: string
  namespace: string
  model: string
  /** null: whichever is the usual one, see `USUAL_TAGS`. */
  tag: string | null
  /** The model's id, 64 lower-case hex digits; null: whichever the name stands for. */
  digest: string | null
}

/** Filled in where a name does not say. */
export const DEFAULT_HOST = 'local'
export const DEFAULT_NAMESPACE = 'library'
export const DEFAULT_TAG = 'latest'
export const HUB_HOST = 'hf.co'
export const OLLAMA_HOST = 'ollama.com'

/** What a name without a tag means, the first that is there. */
export const USUAL_TAGS = [DEFAULT_TAG, 'Q4_K_M'] as const

/** Other spellings of the same host. */
const HOST_ALIASES: Readonly<Record<string, string>> = {
  [HUB_HOST]: HUB_HOST,
  'huggingface.co': HUB_HOST,
  'www.huggingface.co': HUB_HOST,
  [OLLAMA_HOST]: OLLAMA_HOST,
  'www.ollama.com': OLLAMA_HOST,
  'registry.ollama.ai': OLLAMA_HOST,
}

/** The one spelling of a host. */
export function nameHost(host: string): string {
  return HOST_ALIASES[host.toLowerCase()] ?? host
}

const MAX_PART_CHARS = 80
const HOST = /^[a-z0-9][a-z0-9._-]*(:[0-9]{1,5})?$/i
const PART = /^[a-z0-9_][a-z0-9._-]*$/i
const DIGEST = /^sha256[:-]([0-9a-f]{64})$/i

/**
 * Reads `[host/][namespace/]model[:tag][@sha256:digest]`.
 * @throws UsageError when it is none
 */
export function parseModelName(text: string): ModelName {
  const found = tryModelName(text)
  if (found !== null) return found
  throw new UsageError({
    what: `"${text.slice(0, 200)}" is no name of a model`,
    why: `it is [host/][namespace/]model[:tag][@sha256:digest], each part of letters, digits, . _ - and at most ${MAX_PART_CHARS} characters`,
  })
}

/** @returns null when it is no name */
export function tryModelName(text: string): ModelName | null {
  const [path = '', digestText, ...more] = text.split('@')
  const digest = digestText === undefined ? null : DIGEST.exec(digestText)?.[1]?.toLowerCase()
  if (digest === undefined || more.length > 0) return null
  const parts = path.split('/')
  const [model = '', tag, ...tooMany] = (parts.pop() ?? '').split(':')
  const namespace = parts.pop() ?? DEFAULT_NAMESPACE
  const host = nameHost(parts.pop() ?? DEFAULT_HOST)
  if (parts.length > 0 || tooMany.length > 0) return null
  const isSound =
    isPart(host, HOST) &&
    isPart(namespace, PART) &&
    isPart(model, PART) &&
    (tag === undefined || isPart(tag, PART))
  return isSound ? { host, namespace, model, tag: tag ?? null, digest } : null
}

/** The shortest text that is parsed to this name. */
export function formatModelName({ host, namespace, model, tag, digest }: ModelName): string {
  const needsHost = host.toLowerCase() !== DEFAULT_HOST
  const needsNamespace = needsHost || namespace.toLowerCase() !== DEFAULT_NAMESPACE
  return [
    needsHost ? `${host}/` : '',
    needsNamespace ? `${namespace}/` : '',
    model,
    tag === null ? '' : `:${tag}`,
    digest === null ? '' : `@sha256:${digest}`,
  ].join('')
}

/** Makes the host of a name of an address's. */
export function asNameHost({ host, hostname }: URL): string {
  return isPart(host, HOST) ? host : asNamePart(hostname).replace(/^_+/, '') || DEFAULT_HOST
}

/** Makes a part of a name of any text, such as a file's name. */
export function asNamePart(text: string): string {
  const cleaned = text.replaceAll(/[^a-z0-9._-]+/gi, '-').replace(/^[^a-z0-9_]+/i, '')
  return cleaned.slice(0, MAX_PART_CHARS) || 'model'
}

/** Whether both mean the same host, namespace and model, whatever the tag. */
export function isSameModel(a: ModelName, b: ModelName): boolean {
  return fold(a.host, a.namespace, a.model) === fold(b.host, b.namespace, b.model)
}

/** Whether both mean the same text, whatever the case; null is only null. */
export function isSameTag(a: string | null, b: string | null): boolean {
  return a?.toLowerCase() === b?.toLowerCase()
}

/** Among names of one model, the one that `wanted` means. */
export function pickTag<T extends { name: ModelName }>(
  found: readonly T[],
  wanted: string | null,
): T | undefined {
  if (wanted !== null) return found.find(({ name }) => isSameTag(name.tag, wanted))
  for (const usual of USUAL_TAGS) {
    const match = found.find(({ name }) => isSameTag(name.tag, usual))
    if (match !== undefined) return match
  }
  return found[0]
}

function isPart(text: string, form: RegExp): boolean {
  return text.length <= MAX_PART_CHARS && form.test(text)
}

function fold(...parts: string[]): string {
  return parts.join('/').toLowerCase()
}
