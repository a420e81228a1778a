import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPmpClient, defaultRouter } from './nat-pmp.ts'

const HOST = '127.0.0.1'

let router: Socket
/** What it hears, and what it says to that. */
let heard: Buffer[]
let reply: (request: Buffer) => readonly Buffer[]
beforeEach(async () => {
  heard = []
  router = createSocket('udp4')
  router.on('message', (data, from) => {
    heard.push(data)
    for (const one of reply(data)) router.send(one, from.port, from.address)
  })
  router.bind(0, HOST)
  await once(router, 'listening')
})
afterEach(() => {
  router.close()
})

const client = () => createPmpClient(HOST, router.address().port)
const soon = () => ({ signal: AbortSignal.timeout(10_000) })
const mapped = (inside: number, outside: number, result = 0) => {
  const bytes = Buffer.alloc(16)
  bytes[1] = 130
  bytes.writeUInt16BE(result, 2)
  bytes.writeUInt16BE(inside, 8)
  bytes.writeUInt16BE(outside, 10)
  bytes.writeUInt32BE(3_600, 12)
  return bytes
}
const ask = () => client().map({ protocol: 'tcp', port: 4_215, seconds: 7_200 }, soon())

describe('createPmpClient', () => {
  it('default: asks as RFC 6886 says, and takes the port that the router gives', async () => {
    reply = () => [mapped(4_215, 40_001)]
    expect(await ask()).toEqual({ externalPort: 40_001, seconds: 3_600 })
    expect(heard).toEqual([Buffer.from('000200001077107700001c20', 'hex')])
    reply = () => [Buffer.from('0080000000000001c6336407', 'hex')]
    expect(await client().externalHost(soon())).toBe('198.51.100.7')
    expect(heard[1]).toEqual(Buffer.of(0, 0))
  })

  it('behaviour: what answers another question, or is cut short, is passed over', async () => {
    const other = Buffer.from(mapped(4_215, 1))
    other[1] = 129
    const version = Buffer.from(mapped(4_215, 2))
    version[0] = 2
    const wrong = [other, version, mapped(9, 3), mapped(4_215, 4).subarray(0, 15)]
    reply = () => [...wrong, mapped(4_215, 40_002)]
    expect((await ask()).externalPort).toBe(40_002)
  })

  it('behaviour: a datagram that is lost is sent again', async () => {
    reply = () => (heard.length < 3 ? [] : [mapped(4_215, 40_003)])
    expect((await ask()).externalPort).toBe(40_003)
    expect(heard).toHaveLength(3)
  })

  it('behaviour: a refusal is said by its reason, and nobody there is an error', async () => {
    reply = () => [mapped(4_215, 0, 4)]
    await expect(ask()).rejects.toThrow(/no port left/)
    reply = () => []
    const stop = new AbortController()
    const waiting = client().externalHost({ signal: stop.signal })
    await once(router, 'message')
    stop.abort(new Error('over'))
    await expect(waiting).rejects.toThrow('over')
  })
})

describe('defaultRouter', () => {
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n'

  it('default: is where everything goes', () => {
    const routes = `${head}eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\n`
    expect(defaultRouter(routes)).toBe('192.168.1.1')
  })

  it('behaviour: a route that is down, or that needs no router, names none', () => {
    expect(defaultRouter(`${head}eth0\t00000000\t0101A8C0\t0002\n`)).toBe(null)
    expect(defaultRouter(`${head}wan\t00000000\t00000000\t0001\n`)).toBe(null)
    expect(defaultRouter('')).toBe(null)
  })
})
