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

  it('behaviour: believes no other certificate', dial, async () => {
    const address = await lenderAddress()
    const other = address.replace(/certhash\/uEi.{4}/, 'certhash/uEiAAAA')
    expect(other).not.toBe(address)
    const call = callerOf<BorrowerPage>(opened.page)
    await expect(call('borrow', other)).rejects.toThrow()
  })
})
