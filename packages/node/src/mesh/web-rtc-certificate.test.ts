import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { openDevice } from '../device/open-device.ts'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'
import type { WebRtcCertificate } from './web-rtc-certificate.ts'

/** A certificate of which nothing is left to live; its key is nowhere. */
const OVER = `-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUe41nB3s6sY6sASytiT1iWlE1ruowCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEb3ZlcjAeFw0yNjExMjMxODQyMThaFw0yNjExMjQxODQyMTha
MA8xDTALBgNVBAMMBG92ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASrfoJi
uPboO+pHexkGOskehvToyw08J37AllXzisR51PXBlzffJcvNJiqmNxS+tOdiwBEe
GNRI8jMiKbDYLj6ro1MwUTAdBgNVHQ4EFgQU+LX0OkjbgWrsXrJeQmJrjKE1o1ww
HwYDVR0jBBgwFoAU+LX0OkjbgWrsXrJeQmJrjKE1o1wwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiEAldKeAtlpPLVaaRJAhRlgH0OWOMynLYXLTNf7
BtSBrTUCICV4VJvLE2qYXhem0wMZM95KhtJ3PMEmbxRtHLpsG18T
-----END CERTIFICATE-----
`
const LISTEN = '/ip4/127.0.0.1/udp/0/webrtc-direct'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-certificate-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const phrase = createPhrase(systemRandom)

/** Starts the device, and says which certificate its addresses name. */
async function certificateOf(reach?: object): Promise<string> {
  const init = { paths: pathsOf({ home }), phrase, listen: [LISTEN] }
  await using device = await openDevice({ ...init, ...(reach ? { reach } : {}) })
  const { addresses } = await device.discovering.state()
  const [, hash] = /\/certhash\/([^/]+)/.exec(addresses.join(' ')) ?? []
  if (hash === undefined) throw new Error(`it says ${addresses.join(' ')}`)
  return hash
}

/** What is on the disk, or puts something else there. */
async function change(to: (old: WebRtcCertificate) => WebRtcCertificate): Promise<void> {
  await using storage = openSqliteStorage(pathsOf({ home }).database)
  const table = storage.table<WebRtcCertificate>('web-rtc')
  await table.update('certificate', (old) => to(old!))
}

describe('the certificate of WebRTC-direct', () => {
  it('default: is the same after a start, with and without relays in the settings', async () => {
    const first = await certificateOf()
    expect(await certificateOf()).toBe(first)
    expect(await certificateOf({ relays: [] })).toBe(first)
  })

  it('behaviour: who was told the address before dials it afterwards', async () => {
    const hash = await certificateOf()
    const init = { phrase, listen: [LISTEN], reach: {} }
    await using device = await openDevice({ ...init, paths: pathsOf({ home }) })
    const { addresses } = await device.discovering.state()
    const address = addresses.find((one) => one.includes(`/certhash/${hash}`)) ?? ''
    await using other = await openDevice({
      ...{ listen: [], reach: {}, discovery: { dht: true }, phrase: createPhrase(systemRandom) },
      paths: pathsOf({ home: join(home, 'other') }),
    })
    const key = await other.discovering.greet(address, { signal: AbortSignal.timeout(20_000) })
    expect(key).toEqual(device.identity?.device)
  })

  it('behaviour: one that ends soon, or is none, is followed by another', async () => {
    const first = await certificateOf()
    await change((old) => ({ ...old, pem: 'nothing' }))
    const second = await certificateOf()
    expect(second).not.toBe(first)
    await change((old) => ({ ...old, pem: OVER }))
    expect(await certificateOf()).not.toBe(second)
  })
})
