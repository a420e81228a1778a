/**
 * A hub on loopback that answers as the real one does: a tree of files with their LFS ids, page by
 * page; a redirect to another host with a signed address; ranges there. Beside it a registry as
 * Ollama's: manifests of layers, whose blobs lie behind the same redirect. Faults on demand.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HubRequest {
  at: 'api' | 'resolve' | 'cdn' | 'plain' | 'manifest' | 'blob'
  path: string
  range: string | undefined
  authorization: string | undefined
}

/** A layer of an image; its type without what all begin with. */
export interface Layer {
  kind: string
  bytes: Buffer
}

/** What goes wrong with one request. */
export type Fault =
  /** The connection breaks after so many bytes. */
  | { cutAfter: number }
  /** Nothing more comes after so many bytes, and then the connection breaks. @default never */
  | { stallAfter: number; until?: Promise<unknown> }
  | { status: number; headers?: Record<string, string> }
  /** Whole files only, as some hosts send. */
  | { noRanges: true; cutAfter?: number }
  /** One byte is another. */
  | { wrongByte: number }

export interface FakeHub extends AsyncDisposable {
  endpoint: string
  /** Where files lie without a hub: `${plain}/folder/name.gguf`. */
  plain: string
  files: Map<string, Buffer>
  /** Where `/v2/…` is answered. */
  registry: string
  /** Layers by `namespace/model:tag`. */
  images: Map<string, Layer[]>
  requests: HubRequest[]
  /** Asked at each request; what it returns goes wrong. */
  fault: (request: HubRequest, nth: number) => Fault | undefined
}

const COMMIT = 'c0ffee'.padEnd(40, '0')
const PAGE = 2

export async function startFakeHub(): Promise<FakeHub> {
  const counts = { api: 0, resolve: 0, cdn: 0, plain: 0, manifest: 0, blob: 0 }
  const files = new Map<string, Buffer>()
  const images = new Map<string, Layer[]>()
  const layers = () => [...images.values()].flat()
  const servers: Server[] = []
  const listen = async (handle: (request: IncomingMessage, response: ServerResponse) => void) => {
    const server = createServer((request, response) => {
      // Pages of others may read it, as at the real one.
      response.setHeader('access-control-allow-origin', '*')
      response.setHeader('access-control-expose-headers', 'ETag, Link')
      handle(request, response)
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  function note(at: HubRequest['at'], { url = '', headers }: IncomingMessage): Fault | undefined {
    const { range, authorization } = headers
    const request = { at, path: url, range, authorization }
    hub.requests.push(request)
    return hub.fault(request, ++counts[at])
  }

  function refuse(response: ServerResponse, fault: Fault | undefined): boolean {
    if (fault === undefined || !('status' in fault)) return false
    response.writeHead(fault.status, fault.headers).end('no')
    return true
  }

  function send(
    request: IncomingMessage,
    response: ServerResponse,
    bytes: Buffer | undefined,
    fault: Fault | undefined,
  ): void {
    if (refuse(response, fault)) return
    if (bytes === undefined) return void response.writeHead(404).end('Not found')
    const size = bytes.length
    const etag = `"${createHash('md5').update(bytes).digest('hex')}"`
    const ranges = fault !== undefined && 'noRanges' in fault ? null : request.headers.range
    const isFresh = [undefined, etag].includes(request.headers['if-range'] as string | undefined)
    const [, from, to] = (isFresh && /^bytes=(\d+)-(\d*)$/.exec(ranges ?? '')) || []
    const [start, end] = from === undefined ? [0, size] : [Number(from), to ? Number(to) + 1 : size]
    const common = { etag, 'content-length': Math.min(end, size) - start }
    if (from === undefined) response.writeHead(200, common)
    else {
      const range = `bytes ${start}-${Math.min(end, size) - 1}/${size}`
      response.writeHead(206, { ...common, 'accept-ranges': 'bytes', 'content-range': range })
    }
    if (request.method === 'HEAD') return void response.end()
    const body = Buffer.from(bytes.subarray(start, end))
    if (fault !== undefined && 'wrongByte' in fault && fault.wrongByte < body.length) {
      body[fault.wrongByte] = (body[fault.wrongByte] ?? 0) ^ 0xff
    }
    if (fault !== undefined && 'cutAfter' in fault && fault.cutAfter !== undefined) {
      response.write(body.subarray(0, fault.cutAfter), () => response.destroy())
    } else if (fault !== undefined && 'stallAfter' in fault) {
      response.write(body.subarray(0, fault.stallAfter))
      void fault.until?.then(() => response.destroy())
    } else response.end(body)
  }

  const cdn = await listen((request, response) => {
    const hash = request.url?.split(/[/?]/)[2]
    const all = [...files.values(), ...layers().map(({ bytes }) => bytes)]
    const bytes = all.find((bytes) => sha256(bytes) === hash)
    send(request, response, bytes, note('cdn', request))
  })

  const plain = await listen((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://host')
    const bytes = files.get(decodeURIComponent(pathname).replace(/^\/[^/]+\//, ''))
    send(request, response, bytes, note('plain', request))
  })

  const endpoint = await listen((request, response) => {
    const url = new URL(request.url ?? '', 'http://hub')
    const tree = /^\/api\/models\/user\/repo\/tree\/main$/.exec(url.pathname)
    const file = /^\/user\/repo\/resolve\/main\/(.+)$/.exec(url.pathname)?.[1]
    const fault = note(tree ? 'api' : 'resolve', request)
    if (refuse(response, fault)) return
    const bytes = file === undefined ? undefined : files.get(decodeURIComponent(file))
    if (tree) {
      const from = Number(url.searchParams.get('cursor') ?? 0)
      const next = `${url.pathname}?recursive=true&cursor=${from + PAGE}`
      const link = from + PAGE < files.size ? { link: `<${endpoint}${next}>; rel="next"` } : {}
      response.writeHead(200, { 'content-type': 'application/json', ...link })
      response.end(JSON.stringify(listing(files).slice(from, from + PAGE)))
    } else if (bytes === undefined) {
      const isRepository = url.pathname.startsWith('/user/repo/')
      const code = isRepository ? 'EntryNotFound' : 'RepoNotFound'
      const headers = { 'x-error-code': code, 'x-error-message': 'Repository not found' }
      response.writeHead(isRepository ? 404 : 401, headers).end()
    } else {
      const location = `${cdn}/repos/${sha256(bytes)}?X-Amz-Expires=3600&X-Amz-Signature=abc`
      response.writeHead(302, {
        location,
        'x-repo-commit': COMMIT,
        'x-linked-size': String(bytes.length),
        'x-linked-etag': `"${sha256(bytes)}"`,
        'content-type': 'text/plain',
      })
      response.end(`Found. Redirecting to ${location}`)
    }
  })

  const registry = await listen((request, response) => {
    const [, name = '', kind, what = ''] =
      /^\/v2\/([^/]+\/[^/]+)\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? []
    const fault = note(kind === 'blobs' ? 'blob' : 'manifest', request)
    if (refuse(response, fault)) return
    const image = images.get(`${name}:${what}`)
    const blob = layers().find(({ bytes }) => `sha256:${sha256(bytes)}` === what)
    if (kind === 'manifests' && image !== undefined) {
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
      response.end(JSON.stringify(manifestOf(image)))
    } else if (kind === 'blobs' && blob !== undefined) {
      const location = `${cdn}/repos/${sha256(blob.bytes)}?X-Amz-Expires=86400&X-Amz-Signature=abc`
      response.writeHead(307, { location, 'content-type': 'text/html; charset=utf-8' }).end()
    } else {
      const code = kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN'
      response.writeHead(404, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ errors: [{ code, message: 'unknown', detail: { name } }] }))
    }
  })

  const hub: FakeHub = {
    endpoint,
    plain,
    files,
    registry,
    images,
    requests: [],
    fault: () => undefined,
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      }
    },
  }
  return hub
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function listing(files: ReadonlyMap<string, Buffer>): object[] {
  return [...files].map(([path, bytes]) => ({
    type: 'file',
    oid: createHash('sha1').update(bytes).digest('hex'),
    size: bytes.length,
    path,
    lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 },
    xetHash: sha256(bytes),
  }))
}

function manifestOf(layers: readonly Layer[]): object {
  const descriptor = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: `sha256:${sha256(bytes)}`,
    size: bytes.length,
  })
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    config: descriptor('application/vnd.docker.container.image.v1+json', Buffer.from('{}')),
    layers: layers.map(({ kind, bytes }) =>
      descriptor(`application/vnd.ollama.image.${kind}`, bytes),
    ),
  }
}
