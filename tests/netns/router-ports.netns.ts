/** A port asked of a home router, in network namespaces: `npm run netns`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { whyNot } from './commands.ts'
import { createInternet, type HiddenHost, type Internet } from './internet.ts'
import { type RunningDevice, startDevice } from './start-device.ts'

/** What home routers speak. */
const KINDS = { UPnP: 'gateway-process.ts', 'NAT-PMP': 'pmp-gateway-process.ts' } as const
const why = whyNot()
const PORT = 4215
const LAN_ADDRESS = '10.0.0.1'
const WAIT = { timeout: 90_000, interval: 200 }

describe.skipIf(why !== null).each(['UPnP', 'NAT-PMP'] as const)(
  `a router that maps ports by %s${why === null ? '' : ` (${why})`}`,
  (kind) => {
    const program = fileURLToPath(new URL(KINDS[kind], import.meta.url))
    let internet: Internet
    let home: HiddenHost
    let gateway: ChildProcess
    let lender: RunningDevice
    let borrower: RunningDevice

    beforeAll(async () => {
      internet = await createInternet()
      home = await internet.hidden('port restricted')
      const { namespace, address } = home.router
      const args = ['netns', 'exec', namespace, process.execPath, program, LAN_ADDRESS, address]
      gateway = spawn('ip', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      await once(gateway, 'message')
      const listen = [`/ip4/0.0.0.0/tcp/${PORT}`]
      lender = await startDevice(home, {
        name: 'lender',
        listen,
        lends: true,
        reach: { upnp: true },
      })
      const stranger = { name: 'borrower', listen: [], lends: false, reach: {} }
      borrower = await startDevice(await internet.host(), stranger)
    })
    afterAll(async () => {
      await lender?.[Symbol.asyncDispose]()
      await borrower?.[Symbol.asyncDispose]()
      gateway?.kill()
      if (gateway?.exitCode === null && gateway.signalCode === null) await once(gateway, 'exit')
      await internet?.[Symbol.asyncDispose]()
    })

    async function mappings(about = 'list'): Promise<string[]> {
      gateway.send(about)
      const [list] = (await once(gateway, 'message')) as [string[]]
      return list
    }

    it('default: a lender at home asks for a port, says so, and lends by it', async () => {
      const outside = `/ip4/${home.router.address}/tcp/${PORT}/`
      const { address, device } = await vi.waitFor(async () => {
        const { addresses = [], device = '' } = await lender.tell({ do: 'addresses' })
        const found = addresses.find((one) => one.startsWith(outside))
        if (found === undefined) throw new Error(`it says ${addresses.join(' ')}`)
        return { address: found, device }
      }, WAIT)
      expect(await mappings()).toEqual([`tcp . ${PORT} -> ${home.address} . ${PORT}`])
      await borrower.tell({ do: 'ask', address })
      const answer = await borrower.tell({ do: 'borrow', lender: device, tokens: 16 })
      expect(answer.tokens).toBe(16)
      if (kind === 'UPnP') return
      // This router gives a port for four seconds at a time: it is asked again before they are over.
      await vi.waitFor(async () => {
        expect(Number((await mappings('renewals'))[0])).toBeGreaterThan(0)
      }, WAIT)
      expect(await mappings()).toHaveLength(1)
    })

    it('behaviour: it gives the port back when it ends', async () => {
      await lender[Symbol.asyncDispose]()
      expect(await mappings()).toEqual([])
    })
  },
)
