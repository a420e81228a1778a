import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { digestAtHub, originsOf, readModelAddress } from './model-address.ts'

const DIGEST = 'ab'.repeat(32)

/** A host on loopback, gone when disposed. */
async function hostOf(answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const fileOf = (path: string, oid: unknown) => ({ type: 'file', path, lfs: { oid } })

describe('address of a model', () => {
  it('default: a file of the hub, however it was copied', () => {
    const url = 'https://huggingface.co/user/repo/resolve/main/a/Some%20Model.Q4_K_M.gguf'
    const name = 'Some Model.Q4_K_M'
    const blob = url.replace('/resolve/', '/blob/')
    for (const text of [url, ` ${blob}#top`, blob.replace('huggingface.co', 'hf.co')]) {
      expect(readModelAddress(text, '')).toEqual({ url, name, sha256: null })
    }
    const given = readModelAddress('https://example.com/blob/x.GGUF', ` SHA256:${DIGEST}`)
    expect(given).toEqual({ url: 'https://example.com/blob/x.GGUF', name: 'x', sha256: DIGEST })
  })

  it('behaviour: what a page may not ask, or what names no file, is none', () => {
    const bad = [
      '',
      'x.gguf',
      'ftp://example.com/x.gguf',
      'http://example.com/x.gguf',
      'https://user:word@example.com/x.gguf',
      'https://example.com/x.bin',
      'https://example.com/.gguf',
      'javascript:alert(1)//x.gguf',
    ]
    for (const text of bad) expect(() => readModelAddress(text, ''), text).toThrow('no address')
    expect(readModelAddress('http://localhost:9/x.gguf', '').name).toBe('x')
    expect(() => readModelAddress('https://example.com/x.gguf', 'abc')).toThrow('no SHA-256')
  })

  it('behaviour: a page may ask its host, and the hosts that the hub keeps files on', () => {
    expect(originsOf('https://example.com:8443/x.gguf')).toEqual(['https://example.com:8443'])
    const hub = originsOf('https://huggingface.co/user/repo/resolve/main/x.gguf')
    expect(hub).toEqual(['https://huggingface.co', 'https://*.huggingface.co', 'https://*.hf.co'])
  })

  it('behaviour: a hub tells the digest of a large file, page by page, and of no other', async () => {
    const asked: string[] = []
    using hub = await hostOf((request, response) => {
      asked.push(request.url ?? '')
      const isSecond = request.url?.includes('cursor=2') ?? false
      const next = `<${hub.url}/api/models/user/repo/tree/main?cursor=2>; rel="next"`
      const all = isSecond ? [fileOf('a/x y.gguf', DIGEST), fileOf('small.gguf', undefined)] : []
      response.writeHead(200, isSecond ? {} : { link: next }).end(JSON.stringify(all))
    })
    const at = (path: string) => digestAtHub(`${hub.url}/user/repo/resolve/main/${path}`)
    expect(await at('a/x%20y.gguf')).toBe(DIGEST)
    expect(asked).toHaveLength(2)
    expect(asked[0]).toBe('/api/models/user/repo/tree/main?recursive=true')
    expect(await at('small.gguf')).toBeNull()
    expect(await at('missing.gguf')).toBeNull()
    expect(await digestAtHub(`${hub.url}/models/x.gguf`)).toBeNull()
    expect(asked).toHaveLength(6)
  })

  it('behaviour: whoever is no hub, or sends on without end, says nothing', async () => {
    let count = 0
    using other = await hostOf((request, response) => {
      count++
      const next = `<${other.url}${request.url}>; rel="next"`
      response.writeHead(200, { link: next }).end('[null, {"path": 7}]')
    })
    const path = '/user/repo/resolve/main/x.gguf'
    expect(await digestAtHub(`${other.url}${path}`)).toBeNull()
    expect(count).toBe(20)
    using stranger = await hostOf((_, response) => {
      const next = `<${other.url}/api>; rel="next"`
      response.writeHead(200, { link: next }).end('[]')
    })
    expect(await digestAtHub(`${stranger.url}${path}`)).toBeNull()
    expect(count).toBe(20)
    using closed = await hostOf((_, response) => response.writeHead(401).end())
    expect(await digestAtHub(`${closed.url}${path}`)).toBeNull()
  })
})
