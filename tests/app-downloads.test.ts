/** Models from other hosts, into the app: real HTTP with faults, real storage, real Chromium. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BUNDLED } from '../packages/node/src/models/acorn.ts'
import { type FakeHub, startFakeHub } from '../packages/node/src/models/hub.fixture.ts'
import { barriersOf } from '../packages/web/src/testing/accessible.fixture.ts'
import {
  type AppSite,
  DESKTOP,
  openAppSite,
  PHONE,
  type Visitor,
} from '../packages/web/src/testing/app-site.fixture.ts'

const TEST_MS = 300_000
const NAME = 'birch-Q8_0'

let site: AppSite
let hub: FakeHub
/** Another model by its bytes, which answers as Acorn does. */
let bytes: Buffer
let digest: string

beforeAll(async () => {
  bytes = Buffer.concat([await readFile(BUNDLED.acorn ?? ''), Buffer.alloc(32)])
  digest = createHash('sha256').update(bytes).digest('hex')
  hub = await startFakeHub()
  hub.files.set(`${NAME}.gguf`, bytes)
  site = await openAppSite()
}, TEST_MS)
afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  await hub?.[Symbol.asyncDispose]()
}, TEST_MS)
beforeEach(() => {
  hub.fault = () => undefined
  hub.requests.length = 0
})

const address = () => `${hub.plain}/models/${NAME}.gguf`
const card = (page: Page) => page.locator('.download')
const kept = (page: Page) => page.locator('.card:not(.download)', { hasText: NAME })
const ranges = () => hub.requests.filter(({ at }) => at === 'plain').map(({ range }) => range)

/** At the page Models, with the bundled model here: nothing else takes room any more. */
async function visit(init: BrowserContextOptions = DESKTOP): Promise<Visitor> {
  const visitor = await site.visitor(init)
  visitor.page.setDefaultTimeout(30_000)
  await visitor.page.locator('.offline .icon').waitFor()
  await visitor.page.goto(`${site.url}#/models`)
  await visitor.page.getByLabel('Address of a model').waitFor()
  return visitor
}

async function want(page: Page, url = address(), sha256 = digest): Promise<void> {
  await page.getByLabel('Address of a model').fill(url)
  await page.getByLabel('Its fingerprint').fill(sha256)
  await page.getByRole('button', { name: 'Download', exact: true }).click()
}

/** What lies in the folder of models, sizes by name. Runs in the page. */
async function files(): Promise<Record<string, number>> {
  const root = await navigator.storage.getDirectory()
  const found: Record<string, number> = {}
  for await (const [name, handle] of await root.getDirectoryHandle('models')) {
    found[name] = (await (handle as FileSystemFileHandle).getFile()).size
  }
  return found
}

const parts = async (page: Page) =>
  Object.entries(await page.evaluate(files)).filter(([name]) => name.endsWith('.part'))

describe('models from elsewhere', { timeout: TEST_MS }, () => {
  it('default: the page may ask that host alone, asks for room, keeps the model and answers with it', async () => {
    await using visitor = await visit()
    const { page } = visitor
    await page.addInitScript(notePersist)
    expect(await page.evaluate(isRefused, address())).toBe(true)
    const loaded = page.waitForEvent('load')
    await want(page)
    await loaded
    await kept(page).waitFor()
    expect(await page.evaluate(() => 'askedToKeep' in globalThis)).toBe(true)
    // Its own origin and the model's, and no third.
    expect(await page.evaluate(isRefused, hub.endpoint)).toBe(true)
    expect(ranges()).toEqual([undefined])
    expect(await parts(page)).toEqual([])
    await page.getByRole('button', { name: `Use ${NAME}` }).click()
    await page.click('.new')
    await page.fill('#message', 'What is 7 plus 5?')
    await page.click('.composer button[type=submit]')
    await page.locator('.answer .mark summary').waitFor()
    await page.click('.mark summary')
    expect(await page.locator('.mark').textContent()).toContain(digest)
    // The next page may not ask it any more.
    await page.reload()
    await page.locator('#message').waitFor()
    expect(await page.evaluate(isRefused, address())).toBe(true)
  })

  it('behaviour: a connection that breaks is taken up where it broke', async () => {
    const cuts = [1, 2].map(() => Promise.withResolvers<void>())
    hub.fault = countedFrom((nth) => {
      const cut = cuts[nth - 1]
      return cut && { stallAfter: 1_000_000, until: cut.promise }
    })
    await using visitor = await visit()
    const { page } = visitor
    await want(page)
    for (const [i, { resolve }] of cuts.entries()) {
      const sizeOf = async () => (await parts(page).catch(() => []))[0]?.[1] ?? 0
      await expect.poll(sizeOf, { timeout: 30_000 }).toBe((i + 1) * 1_000_000)
      resolve()
    }
    await kept(page).waitFor()
    expect(ranges()).toEqual([undefined, 'bytes=1000000-', 'bytes=2000000-'])
  })

  it('behaviour: a page that is loaded again goes on with what was here', async () => {
    hub.fault = countedFrom((nth) => (nth === 1 ? { stallAfter: 1_000_000 } : undefined))
    await using visitor = await visit()
    const { page } = visitor
    await want(page)
    await expect.poll(async () => (await parts(page).catch(() => []))[0]?.[1] ?? 0).toBe(1_000_000)
    await page.reload()
    await kept(page).waitFor()
    expect(ranges()).toEqual([undefined, 'bytes=1000000-'])
  })

  it('behaviour: a host without ranges begins anew, and the model is whole', async () => {
    hub.fault = countedFrom((nth) =>
      nth === 1 ? { cutAfter: 500_000 } : ({ noRanges: true } as const),
    )
    await using visitor = await visit()
    await want(visitor.page)
    await kept(visitor.page).waitFor()
    expect(ranges()).toHaveLength(2)
  })

  it('behaviour: wrong bytes are refused and removed; asked again, it may be the right ones', async () => {
    hub.fault = countedFrom((nth) => (nth === 1 ? { wrongByte: 2_000_000 } : undefined))
    await using visitor = await visit()
    const { page } = visitor
    await want(page)
    await card(page).getByText('the model was refused').waitFor()
    expect(await kept(page).count()).toBe(0)
    expect(await parts(page)).toEqual([])
    await page.getByRole('button', { name: `Go on with ${NAME}` }).click()
    await kept(page).waitFor()
  })

  it('behaviour: what is no model, is nowhere, or has no fingerprint is a sentence', async () => {
    await using visitor = await visit()
    const { page } = visitor
    await want(page, 'http://192.0.2.1/x.gguf')
    await page.getByText('This is no address of a model').waitFor()
    await want(page, address(), 'abc')
    await page.getByText('This is no SHA-256').waitFor()
    await want(page, address(), '')
    await card(page).getByText('Nobody says what').waitFor()
    await page.getByRole('button', { name: `Cancel ${NAME}` }).click()
    await card(page).waitFor({ state: 'detached' })
    hub.files.set('page.gguf', Buffer.from('<html>Please sign in</html>'))
    await want(page, `${hub.plain}/models/page.gguf`)
    await card(page).getByText('page is no GGUF model').waitFor()
    await page.getByRole('button', { name: 'Cancel page' }).click()
    await want(page, `${hub.plain}/models/missing.gguf`)
    await card(page).getByText('Its host says 404').waitFor()
    expect(await parts(page)).toEqual([])
  })

  it('behaviour: a hub says what the bytes must be; where it sends on to others is not followed', async () => {
    await using visitor = await visit()
    const { page } = visitor
    await want(page, `${hub.endpoint}/user/repo/resolve/main/${NAME}.gguf`, '')
    await card(page).getByText('sends it from another host').waitFor()
    expect(hub.requests.map(({ at }) => at)).toEqual(['api', 'resolve'])
  })

  it('behaviour: called off, it is gone with what came', async () => {
    hub.fault = countedFrom(() => ({ stallAfter: 600_000 }))
    await using visitor = await visit()
    const { page } = visitor
    await want(page)
    await expect.poll(async () => (await parts(page).catch(() => [])).length).toBe(1)
    await page.getByRole('button', { name: `Pause ${NAME}` }).click()
    await card(page).getByText('stopped').waitFor()
    expect(await parts(page)).toHaveLength(1)
    await page.getByRole('button', { name: `Cancel ${NAME}` }).click()
    await card(page).waitFor({ state: 'detached' })
    expect(await parts(page)).toEqual([])
  })

  it('behaviour: a disk that fills up on the way keeps what came, and goes on when there is room', async () => {
    await using visitor = await visit()
    const { page } = visitor
    const devtools = await page.context().newCDPSession(page)
    const origin = new URL(site.url).origin
    const { usage } = await devtools.send('Storage.getUsageAndQuota', { origin })
    // The page's own estimate says nothing of it, as browsers do.
    const quotaSize = usage + 3_000_000
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize })
    await want(page)
    await card(page).getByText('no more room for it').waitFor()
    const [[, sizeBytes] = ['', 0]] = await parts(page)
    expect(sizeBytes).toBeGreaterThan(0)
    expect(sizeBytes).toBeLessThan(bytes.length)
    await devtools.send('Storage.overrideQuotaForOrigin', { origin })
    await page.getByRole('button', { name: `Go on with ${NAME}` }).click()
    await kept(page).waitFor()
    expect(ranges().at(-1)).toBe(`bytes=${sizeBytes}-`)
  })

  it('behaviour: no room is said before anything is kept', async () => {
    await using visitor = await visit()
    const { page } = visitor
    await page.addInitScript(tellOfLittleRoom)
    await want(page)
    await card(page).getByText('There is not enough room: 3.4 MB are needed, 1 MB').waitFor()
    expect(await barriersOf(page)).toEqual([])
    expect(await parts(page)).toEqual([])
  })

  it('behaviour: a phone is warned before 1.5 GB, and nobody fetches what no tab can hold', async () => {
    let sizeBytes = 1_600_000_000
    const server = createServer((_, response) => {
      const headers = { 'content-length': sizeBytes, 'access-control-allow-origin': '*' }
      response.writeHead(200, headers).write('GGUF')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      await using visitor = await visit(PHONE)
      const { page } = visitor
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${NAME}.gguf`
      await want(page, url)
      await card(page).getByText('it may not run here').waitFor()
      expect(await parts(page)).toEqual([])
      await page.getByRole('button', { name: `Go on with ${NAME}` }).click()
      await expect.poll(async () => (await parts(page))[0]?.[1]).toBe(4)
      await page.getByRole('button', { name: `Cancel ${NAME}` }).click()
      await card(page).waitFor({ state: 'detached' })
      sizeBytes = 2 ** 31
      await want(page, url)
      await card(page).getByText('A browser cannot load more').waitFor()
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('behaviour: deleting everything ends what is on its way, and nothing is left', async () => {
    hub.fault = countedFrom(() => ({ stallAfter: 600_000 }))
    await using visitor = await visit()
    const { page } = visitor
    await want(page)
    await expect.poll(async () => (await parts(page).catch(() => [])).length).toBe(1)
    await page.click('.pages a[href="#/settings"]')
    await page.selectOption('select', 'de')
    await page.getByRole('button', { name: 'Alles löschen' }).click()
    const loaded = page.waitForEvent('load')
    await page.getByRole('button', { name: 'Ja, alles löschen' }).click()
    await loaded
    await page.locator('#message').waitFor()
    expect(await page.getAttribute('html', 'lang')).toBe('en')
    await page.click('.pages a[href="#/models"]')
    await page.getByLabel('Address of a model').waitFor()
    expect(await card(page).count()).toBe(0)
    expect(await parts(page)).toEqual([])
    expect(await page.evaluate(isRefused, address())).toBe(true)
  })

  it('behaviour: one tab at a time fetches, and the other says so', async () => {
    hub.fault = countedFrom((nth) => (nth === 1 ? { stallAfter: 600_000 } : undefined))
    await using visitor = await visit()
    const { page } = visitor
    await want(page)
    await expect.poll(async () => (await parts(page).catch(() => [])).length).toBe(1)
    const other = await visitor.tab()
    await other.goto(`${site.url}#/models`)
    await card(other).getByText('Another tab is downloading').waitFor()
    await page.close()
    await other.reload()
    await kept(other).waitFor()
    expect(ranges()).toEqual([undefined, 'bytes=600000-'])
  })
})

/** Faults by how often the plain host was asked since. */
function countedFrom(of: (nth: number) => ReturnType<FakeHub['fault']>): FakeHub['fault'] {
  let nth = 0
  return ({ at }) => (at === 'plain' ? of(++nth) : undefined)
}

/** Runs in the page. */
async function isRefused(url: string): Promise<boolean> {
  let refused = false
  const note = () => {
    refused = true
  }
  document.addEventListener('securitypolicyviolation', note)
  await fetch(url, { method: 'HEAD' }).catch(() => {})
  // The event of a refusal comes in a task of its own.
  await new Promise((resolve) => setTimeout(resolve))
  document.removeEventListener('securitypolicyviolation', note)
  return refused
}

/** Runs in the page before the app does. */
function notePersist(): void {
  StorageManager.prototype.persist = async () => {
    Object.assign(globalThis, { askedToKeep: true })
    return true
  }
}

/** Chromium’s own answer does not depend on the room there is. Runs in the page before the app does. */
function tellOfLittleRoom(): void {
  StorageManager.prototype.estimate = async () => ({ usage: 9_000_000, quota: 10_000_000 })
}
