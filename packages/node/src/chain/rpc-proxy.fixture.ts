import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** How a node behaves: as it should, or as nodes do on bad days. */
export type Mood =
  | { kind: 'well' }
  | { kind: 'busy'; retryAfter: string }
  | { kind: 'broken' }
  /** Takes the question and never answers; what it was sent may have arrived all the same. */
  | { kind: 'silent'; passesOn: boolean }
  | { kind: 'elsewhere'; chainId: number }
  /** Negative: it names a head that the chain has not reached. */
  | { kind: 'behind'; blocks: number }

/** A real HTTP server before a real node, with a mood. */
export interface RpcProxy extends AsyncDisposable {
  url: string
  mood: Mood
  /** Methods that it was asked for, in their order. */
  asked: string[]
}

export async function startRpcProxy(rpc: string): Promise<RpcProxy> {
  const proxy = { url: '', mood: { kind: 'well' } as Mood, asked: [] as string[] }
  const forward = async (body: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(rpc, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return (await response.json()) as Record<string, unknown>
  }
  const answer = async (body: { id: number; method: string }, response: ServerResponse) => {
    const { mood } = proxy
    proxy.asked.push(body.method)
    if (mood.kind === 'busy') {
      return response.writeHead(429, { 'retry-after': mood.retryAfter }).end('slow down')
    }
    if (mood.kind === 'broken') return response.writeHead(503).end('out of order')
    if (mood.kind === 'silent') return void (mood.passesOn && (await forward(body)))
    const said = await forward(body)
    if (mood.kind === 'elsewhere' && body.method === 'eth_chainId') {
      said.result = `0x${mood.chainId.toString(16)}`
    }
    if (mood.kind === 'behind' && body.method === 'eth_blockNumber') {
      said.result = `0x${Math.max(0, Number(said.result) - mood.blocks).toString(16)}`
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said))
  }
  const server = createServer((request, response) => {
    json(request)
      .then((body) => answer(body as { id: number; method: string }, response))
      .catch(() => response.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(proxy, {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  })
}
