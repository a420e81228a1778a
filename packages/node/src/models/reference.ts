import { UsageError } from '@freehold/core/errors'
import { isPath } from './library.ts'
import { HUB_HOST, type ModelName, nameHost, OLLAMA_HOST, parseModelName } from './name.ts'

/** What `pull` was asked for. */
export type Reference = HubReference | OllamaReference | UrlReference | DigestReference

/** A model in a repository of the hub. */
export interface HubReference {
  kind: 'hub'
  user: string
  repository: string
  /** null: the usual one. */
  quantisation: string | null
  /** A file of its own, instead of a quantisation. */
  file: string | null
  /** Branch, tag or commit. */
  revision: string
  /** The model's id that it must have; null: any. */
  digest: string | null
}

/** A model in Ollama's registry. */
export interface OllamaReference {
  kind: 'ollama'
  namespace: string
  model: string
  /** null: the usual one. */
  tag: string | null
  digest: string | null
}

/** A file at an address, or the first of several. */
export interface UrlReference {
  kind: 'url'
  url: URL
  digest: string | null
}

/** A model by its id alone: whoever has it may hand it over. */
export interface DigestReference {
  kind: 'digest'
  digest: string
}

const DEFAULT_REVISION = 'main'

/**
 * Reads `hf.co/user/repo[:quant]`, `hf:user/repo/file.gguf[#branch]`, `ollama.com/library/model[:tag]`,
 * an address of either or any other https address of a GGUF, each with `@sha256:…` behind it or not;
 * or `sha256:…` alone.
 * @throws UsageError when it names nothing that can be fetched
 */
export function parseReference(text: string): Reference {
  const bare = /^sha256[:-]([0-9a-f]{64})$/i.exec(text)?.[1]
  if (bare !== undefined) return { kind: 'digest', digest: bare.toLowerCase() }
  if (/^https?:\/\//i.test(text)) return parseUrl(text)
  const short = /^(?:hf:|(?:hf\.co|huggingface\.co)\/)(.+)$/i.exec(text)?.[1]
  if (short !== undefined) return parseHub(short)
  if (isPath(text)) {
    throw new UsageError({
      what: `${text} is a path, and nothing has to be fetched`,
      next: `Run it as it is, or take it into the store: freehold import ${text}`,
    })
  }
  const name = parseModelName(text)
  if (name.host === OLLAMA_HOST) return ollamaReference(name)
  throw new UsageError({
    what: `"${text}" does not say where it is fetched from`,
    next: whereElse(text, name),
  })
}

function whereElse(text: string, { namespace, model }: ModelName): string {
  if (nameHost(namespace) === OLLAMA_HOST) return `It is ${OLLAMA_HOST}/library/${model}`
  return text.includes('/')
    ? `On the Hugging Face hub it is hf.co/${namespace}/${model}`
    : `On the Hugging Face hub it is hf.co/USER/REPO, in Ollama's library ${OLLAMA_HOST}/library/${model}; or give an https address`
}

function ollamaReference({ namespace, model, tag, digest }: ModelName): OllamaReference {
  return { kind: 'ollama', namespace, model, tag, digest }
}

/** `user/repo[:quant]` or `user/repo/file.gguf[#branch]`. */
function parseHub(text: string): HubReference {
  const [path = '', revision = DEFAULT_REVISION] = text.split('#')
  const file = /^([^/]+)\/([^/:@]+)\/(.+\.gguf)(?:@(sha256[:-][0-9a-f]{64}))?$/i.exec(path)
  if (file !== null) {
    const [, user = '', repository = '', name = '', digest] = file
    const suffix = digest === undefined ? '' : `@${digest}`
    const checked = hubName(`${user}/${repository}${suffix}`)
    return { ...hubReference(checked, revision), quantisation: null, file: name }
  }
  return hubReference(hubName(path), revision)
}

function hubName(text: string): ModelName {
  const name = parseModelName(`${HUB_HOST}/${text}`)
  if (/^[^/]+\/[^/]+$/.test(text)) return name
  throw new UsageError({
    what: `"${text}" is no repository`,
    next: 'It is hf.co/USER/REPO[:QUANT]',
  })
}

function hubReference(name: ModelName, revision: string): HubReference {
  return {
    kind: 'hub',
    user: name.namespace,
    repository: name.model,
    quantisation: name.tag,
    file: null,
    revision,
    digest: name.digest,
  }
}

function parseUrl(text: string): Reference {
  const [address = '', digest = null] = text.split(/@sha256[:-](?=[0-9a-f]{64}$)/i)
  if (!URL.canParse(address)) throw new UsageError({ what: `"${text}" is no address` })
  const url = new URL(address)
  const isLoopback = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
  if (url.protocol !== 'https:' && !isLoopback) {
    throw new UsageError({
      what: `${url.host} is asked without encryption`,
      why: 'anybody on the way could hand over another file',
      next: 'Give an https address',
    })
  }
  if (nameHost(url.hostname) === OLLAMA_HOST) {
    const suffix = digest === null ? '' : `@sha256:${digest}`
    const path = /^\/([^/]+\/[^/]+?)\/?$/.exec(decodePath(url))?.[1] ?? ''
    return ollamaReference(parseModelName(`${OLLAMA_HOST}/${path}${suffix}`))
  }
  const [, user, repository, rest = ''] = /^\/([^/]+)\/([^/]+)\/?(.*)$/.exec(decodePath(url)) ?? []
  const isHub = /^(www\.)?(hf\.co|huggingface\.co)$/.test(url.hostname)
  if (isHub && user && repository) {
    const [, revision, file = null] = /^(?:blob|resolve|tree)\/([^/]+)\/?(.+)?$/.exec(rest) ?? []
    const name = hubName(`${user}/${repository}`)
    return { ...hubReference(name, revision ?? DEFAULT_REVISION), file, digest }
  }
  if (/\.gguf$/i.test(url.pathname))
    return { kind: 'url', url, digest: digest?.toLowerCase() ?? null }
  throw new UsageError({ what: `${text} is no address of a GGUF`, next: 'Its path ends in .gguf' })
}

function decodePath({ pathname, href }: URL): string {
  try {
    return decodeURIComponent(pathname)
  } catch {
    throw new UsageError({ what: `${href} is no address`, why: 'a % in it stands for nothing' })
  }
}
