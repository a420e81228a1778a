/** A page in Chromium dials a device that has no certificate of a name, in network namespaces: `npm run netns`. */
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUNDLED } from '../../packages/node/src/models/acorn.ts'
import type { BorrowerPage } from '../../packages/web/src/device/borrower-page.fixture.ts'
import { callerOf } from '../../packages/web/src/testing/call-page.fixture.ts'
import { whyNot } from './commands.ts'
import { createInternet, type Host, type Internet } from './internet.ts'
import { openPageIn, type PageInNamespace } from './page-in-namespace.ts'
import { type RunningDevice, startDevice } from './start-device.ts'

const hasChromium = existsSync(process.env.CHROMIUM_PATH || '/usr/bin/chromium')
const why = whyNot() ?? (hasChromium ? null : 'there is no Chromium')
const START_MS = 180_000
const PORT = 4216

describe.skipIf(why !== null)(`a page that dials${why === null ? '' : ` (${why})`}`, () => {
  let internet: Internet
  let host: Host
  let lender: RunningDevice
  let opened: PageInNamespace

  beforeAll(async () => {
    internet = await createInternet()
    const init = { name: 'lender', lends: true, reach: {} }
    const listen = [`/ip4/0.0.0.0/udp/${PORT}/webrtc-direct`]
    host = await internet.host()
    lender = await startDevice(host, { ...init, listen })
    const { namespace } = await internet.hidden('port restricted')
    opened = await openPageIn(namespace, {
      entry: new URL('../../packages/web/src/device/borrower.page.ts', import.meta.url),
      files: { '/acorn.gguf': readFileSync(BUNDLED.acorn ?? '') },
    })
  }, START_MS)
  afterAll(async () => {
    await opened?.[Symbol.asyncDispose]()
    await lender?.[Symbol.asyncDispose]()
    await internet?.[Symbol.asyncDispose]()
  }, START_MS)

  async function lenderAddress(): Promise<string> {
    const { addresses = [] } = await lender.tell({ do: 'addresses' })
    const start = `/ip4/${host.address}/udp/${PORT}/webrtc-direct/certhash/`
    const found = addresses.find((one) => one.startsWith(start))
    if (found === undefined) throw new Error(`it says ${addresses.join(' ')}`)
    return found
  }

  const dial = { timeout: START_MS }

  it(
    'default: borrows over UDP from a device whose certificate its address names',
    dial,
    async () => {
      const call = callerOf<BorrowerPage>(opened.page)
      const answer = await call('borrow', await lenderAddress())
      expect(answer).toEqual({ tokens: 32, end: 'receipt', error: null })
    },
  )

  it('behaviour: pairs by the link of a code', dial, async () => {
    const { link = '' } = await lender.tell({ do: 'show' })
    expect(link).toContain('/webrtc-direct/certhash/')
    const call = callerOf<BorrowerPage>(opened.page)
    const guest = await call('pair', link)
    const { device, words } = await lender.tell({ do: 'paired' })
    expect({ ...guest }).toEqual({ device, words, isMutual: true })
    expect(words).toHaveLength(3)
  })

  it('behaviour: lends from behind its router, through a relay', dial, async () => {
    const relayHost = await internet.host()
    const relayPort = 4217
    await using relay = await startDevice(relayHost, {
      ...{ name: 'relay', lends: true, reach: { relay: 'always' } },
      listen: [`/ip4/0.0.0.0/tcp/${relayPort}/ws`],
    })
    const { addresses: known = [] } = await relay.tell({ do: 'addresses' })
    const at = known.find((one) => one.includes(relayHost.address)) ?? ''
    const { device, address } = await callerOf<BorrowerPage>(opened.page)('lend', at)
    expect(address).toContain(`${at}/p2p-circuit`)
    await using borrower = await startDevice(await internet.host(), {
      ...{ name: 'borrower', lends: false, reach: {}, listen: [] },
    })
    await borrower.tell({ do: 'ask', address })
    const { tokens } = await borrower.tell({ do: 'borrow', lender: device, tokens: 8 })
    expect(tokens).toBe(8)
  })

  it('behaviour: believes no other certificate', dial, async () => {
    const address = await lenderAddress()
    const other = address.replace(/certhash\/uEi.{4}/, 'certhash/uEiAAAA')
    expect(other).not.toBe(address)
    const call = callerOf<BorrowerPage>(opened.page)
    await expect(call('borrow', other)).rejects.toThrow()
  })
})
