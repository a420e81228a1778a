import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUNDLED } from './acorn.ts'
import { type FakeHub, startFakeHub } from './hub.fixture.ts'
import { pull, useProxies } from './pull.ts'
import { createStoreHome, type StoreHome } from './store.fixture.ts'

/** Names that only the proxy knows. */
const HOSTS = ['hub.example', 'registry.example']

let hub: FakeHub
let home: StoreHome
let proxy: { url: string; asked: string[] } & AsyncDisposable
beforeAll(async () => {
  hub = await startFakeHub()
  const bytes = await readFile(BUNDLED['acorn-small']!)
  hub.files.set('acorn-Q4_K_M.gguf', bytes)
  hub.images.set('library/acorn:latest', [{ kind: 'model', bytes }])
  home = await createStoreHome()
  proxy = await startProxy()
})
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await hub[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

/** A proxy as programs ask one for addresses without encryption; others go through a tunnel. */
async function startProxy() {
  const asked: string[] = []
  // The one of this process would lead back here.
  const agent = new Agent()
  const portOf = (hostname: string, port: string) => {
    const known = [hub.endpoint, hub.registry][HOSTS.indexOf(hostname)]
    return Number(known === undefined ? port : new URL(known).port)
  }
  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url ?? '')
    asked.push(url.hostname)
    const port = portOf(url.hostname, url.port)
    const { method, headers } = incoming
    const path = `${url.pathname}${url.search}`
    const to = { host: '127.0.0.1', port, path, method, headers, agent }
    const onward = request(to, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    incoming.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

describe('useProxies', () => {
  it.each([
    ['hf.co/user/repo', 'hub.example'],
    ['ollama.com/library/acorn', 'registry.example'],
  ])('default: %s is fetched through the proxy', async (text, host) => {
    const end = useProxies({ http_proxy: proxy.url })
    try {
      proxy.asked.length = 0
      const settings = { endpoint: `http://${HOSTS[0]}`, registry: `http://${HOSTS[1]}` }
      const { model } = await pull(text, settings, { library: home })
      expect(model.files).toHaveLength(1)
      expect(proxy.asked).toContain(host)
    } finally {
      end()
    }
  })

  it('behaviour: hosts of NO_PROXY are asked without it, and all are once it ends', async () => {
    const ask = async () => {
      proxy.asked.length = 0
      const settings = { registry: hub.registry }
      await pull('ollama.com/library/acorn', settings, { library: home })
      return proxy.asked.length
    }
    const end = useProxies({ http_proxy: proxy.url })
    try {
      expect(await ask()).toBeGreaterThan(0)
    } finally {
      end()
    }
    expect(await ask()).toBe(0)
    const endOther = useProxies({ http_proxy: proxy.url, no_proxy: '127.0.0.1' })
    try {
      expect(await ask()).toBe(0)
    } finally {
      endOther()
    }
  })
})
