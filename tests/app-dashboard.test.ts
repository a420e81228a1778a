/** The dashboard: the app as a real device serves it, in Chromium. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerName } from '@freehold/core/identity/peer-name'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createDashboard } from '../packages/node/src/cli/dashboard.ts'
import { pathsOf } from '../packages/node/src/config.ts'
import {
  befriend,
  createTown,
  question,
  type Town,
} from '../packages/node/src/device/town.fixture.ts'
import { type Listener, listen } from '../packages/node/src/http/listen.ts'
import { openServing, type Serving } from '../packages/node/src/http/open-serving.ts'
import { openSite } from '../packages/node/src/http/site.ts'
import { BUNDLED } from '../packages/node/src/models/acorn.ts'
import { type FakeHub, startFakeHub } from '../packages/node/src/models/hub.fixture.ts'
import { openModelLibrary } from '../packages/node/src/models/library.ts'
import { NO_FOREIGN } from '../packages/node/src/models/store.fixture.ts'
import { openLendSwitch } from '../packages/node/src/power/lend-switch.ts'
import { buildApp } from '../packages/web/build.ts'
import { launchChromium } from '../packages/web/src/testing/chromium.fixture.ts'

/** For a machine that does much else at the same time. */
const TEST_MS = 300_000
const TOKEN = 'token-of-the-dashboard'
const ADDRESS = '/ip4/127.0.0.1/tcp/4215'

let folder: string
let town: Town
let hub: FakeHub
let serving: Serving
let listener: Listener
let browser: Browser
let page: Page
let lender: string
let state: string
const complaints: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-dashboard-'))
  await buildApp(folder)
  town = await createTown()
  hub = await startFakeHub()
  hub.files.set('birch-Q8_0.gguf', await readFile(BUNDLED['acorn-small'] ?? ''))
  const lending = await town.lender()
  lender = peerName(lending.device.identity!.device)
  const { device, home } = await town.inhabitant()
  await befriend(device, lending.lending)
  await (await device.complete(question())).settled
  // What doctor and config show look at.
  vi.stubEnv('FREEHOLD_HOME', home)
  const paths = pathsOf({ home })
  ;({ state } = paths)
  serving = openServing(
    {
      ...{ paths: [], hub: { endpoint: hub.endpoint }, origins: [], hosts: [], pool: {} },
      ...{ tokens: [TOKEN], responses: join(home, 'responses.db'), widestScope: 'market' },
      site: await openSite(folder),
      dashboard: createDashboard({ paths, scope: 'market', options: {} }, device),
    },
    { device, library: openModelLibrary({ paths, foreign: NO_FOREIGN }) },
  )
  listener = await listen(serving.app.fetch, { port: 0 })
  browser = await launchChromium()
  page = await browser.newPage({ locale: 'en' })
  page.setDefaultTimeout(120_000)
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(listener.url)
}, TEST_MS)
afterAll(async () => {
  await browser?.close()
  await listener?.[Symbol.asyncDispose]()
  await serving?.[Symbol.asyncDispose]()
  await hub?.[Symbol.asyncDispose]()
  await town?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
  vi.unstubAllEnvs()
}, TEST_MS)

const button = (name: string) => page.getByRole('button', { name, exact: true })

describe('the dashboard', { timeout: TEST_MS }, () => {
  it('default: asks for the token of the device, and shows nothing before', async () => {
    await page.click('.pages a[href="#/dashboard"]')
    await page.getByLabel('Token of the device').fill('wrong')
    await button('Unlock').click()
    await page.locator('.problem', { hasText: 'asks for a token' }).waitFor()
    expect(await page.locator('.ladder').count()).toBe(0)
    await page.getByLabel('Token of the device').fill(TOKEN)
    await button('Unlock').click()
    await page.locator('.ladder').waitFor()
  })

  it('default: shows whom it knows on the ladder, and what it owes', async () => {
    const market = page.locator('.ladder > li').last()
    expect(await market.textContent()).toContain(lender)
    await page.locator('figure.chart canvas').waitFor()
    await page.locator('.card', { hasText: 'acorn' }).first().waitFor()
  })

  it('behaviour: downloads a model with its progress, and removes it', async () => {
    await page.getByLabel('Model to download').fill('hf.co/user/repo:Q8_0')
    await button('Download').click()
    const card = page.locator('.card', { hasText: 'hf.co/user/repo' })
    await card.waitFor()
    await card.getByRole('button').click()
    await card.waitFor({ state: 'detached' })
    await page.getByLabel('Model to download').fill('hf.co/user/nothing')
    await button('Download').click()
    await page.locator('.problem', { hasText: 'nothing' }).waitFor()
  })

  it('behaviour: switches lending of other processes', async () => {
    const lendSwitch = openLendSwitch({ state })
    await page.getByText('No process of this device lends').waitFor()
    await lendSwitch.announce({ models: ['acorn'], addresses: [ADDRESS], why: null })
    await page.reload()
    const turn = page.getByLabel('Lend to others')
    await page.locator('.card.lending', { hasText: ADDRESS }).waitFor()
    await turn.click()
    await expect.poll(() => lendSwitch.isOff()).toBe(true)
    await turn.and(page.locator(':not(:checked):enabled')).click()
    await expect.poll(() => lendSwitch.isOff()).toBe(false)
    await lendSwitch.leave()
  })

  it('default: says how it is, and its settings', async () => {
    await button('Check now').click()
    await page.locator('.checks li', { hasText: 'store' }).waitFor()
    await page.getByText('Settings of the device').click()
    await page.locator('details dd', { hasText: state }).first().waitFor()
    expect(await page.locator('.page').textContent()).not.toContain(TOKEN)
  })

  it('behaviour: everybody can use it', async () => {
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('Runtime.evaluate', { expression: axe.source })
    const { violations } = await page.evaluate(() =>
      (globalThis as unknown as { axe: typeof axe }).axe.run(),
    )
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
    expect(complaints).toEqual([])
  })
})
