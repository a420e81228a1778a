/** The dashboard: the app as a real device serves it, in Chromium. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { barriersOf } from '../packages/web/src/testing/accessible.fixture.ts'
import { launchChromium } from '../packages/web/src/testing/chromium.fixture.ts'
import { openServedApp, type ServedApp } from './served-app.fixture.ts'

/** For a machine that does much else at the same time. */
const TEST_MS = 300_000
const ADDRESS = '/ip4/127.0.0.1/tcp/4215'

let app: ServedApp
let browser: Browser
let page: Page
const complaints: string[] = []

beforeAll(async () => {
  app = await openServedApp()
  browser = await launchChromium()
  page = await browser.newPage({ locale: 'en' })
  page.setDefaultTimeout(120_000)
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(app.url)
}, TEST_MS)
afterAll(async () => {
  await browser?.close()
  await app?.[Symbol.asyncDispose]()
}, TEST_MS)

const button = (name: string) => page.getByRole('button', { name, exact: true })

describe('the dashboard', { timeout: TEST_MS }, () => {
  it('default: asks for the token of the device, and shows nothing before', async () => {
    await page.click('.pages a[href="#/dashboard"]')
    await page.getByLabel('Token of the device').fill('wrong')
    await button('Unlock').click()
    await page.locator('.problem', { hasText: 'asks for a token' }).waitFor()
    expect(await page.locator('.ladder').count()).toBe(0)
    await page.getByLabel('Token of the device').fill(app.token)
    await button('Unlock').click()
    await page.locator('.ladder').waitFor()
  })

  it('default: shows whom it knows on the ladder, and what it owes', async () => {
    const market = page.locator('.ladder > li').last()
    expect(await market.textContent()).toContain(app.lender)
    await page.locator('figure.chart canvas').waitFor()
    await page.locator('.card', { hasText: 'acorn' }).first().waitFor()
  })

  it('behaviour: downloads a model with its progress, and removes it', async () => {
    await page.getByLabel('Model to download').fill(app.modelAtHub)
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
    const { lendSwitch } = app
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
    await page.locator('details dd', { hasText: app.state }).first().waitFor()
    expect(await page.locator('.page').textContent()).not.toContain(app.token)
  })

  it('behaviour: everybody can use it', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await barriersOf(page), colorScheme).toEqual([])
    }
    expect(complaints).toEqual([])
  })
})
