import { mkdir, writeFile } from 'node:fs/promises'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { DESKTOP, openAppSite, PHONE } from '../packages/web/src/testing/app-site.fixture.ts'
import { openServedApp } from '../tests/served-app.fixture.ts'

/** Shows each main view of the web app as it is: `docs/images/`. Real answers of the bundled model. */
const FOLDER = new URL('../docs/images/', import.meta.url)

interface Shot {
  device: BrowserContextOptions
  look?: (page: Page, url: string) => Promise<void>
}

async function ask(page: Page, text: string): Promise<void> {
  const marks = page.locator('.answer .mark')
  const before = await marks.count()
  await page.fill('#message', text)
  await page.click('button[type=submit]')
  await marks.nth(before).waitFor()
}

async function chat(page: Page): Promise<void> {
  await ask(page, 'What is a voucher?')
  await ask(page, 'What is 7 plus 5?')
}

/** Keys that nobody uses again. */
async function keepKeys(page: Page, url: string): Promise<void> {
  const field = (label: string) => page.getByLabel(label, { exact: false })
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
  const passphrase = 'a long passphrase'
  await page.goto(`${url}#/wallet`)
  await press('Enter my phrase')
  await field('Phrase (24 words)').fill(createPhrase(systemRandom))
  await field('Number of this device').fill('0')
  await field('Passphrase for this device').fill(passphrase)
  await field('once more').fill(passphrase)
  await press('Encrypt and keep')
  await page.getByText('they are locked').waitFor()
  await page.getByLabel('Passphrase', { exact: true }).fill(passphrase)
  await press('Unlock')
  await page.getByText('are unlocked').waitFor()
}

const SHOTS: Record<string, Shot> = {
  'phone-welcome': { device: { ...PHONE, colorScheme: 'light' } },
  'phone-chat': { device: { ...PHONE, colorScheme: 'dark' }, look: chat },
  'phone-scope': {
    device: { ...PHONE, colorScheme: 'light' },
    look: (page) => page.click('.scope summary'),
  },
  'desktop-chat': {
    device: { ...DESKTOP, colorScheme: 'light' },
    look: async (page) => {
      await ask(page, 'Who are you?')
      await page.click('.new')
      await chat(page)
      await page.locator('.mark summary').last().click()
    },
  },
  'desktop-models': {
    device: { ...DESKTOP, colorScheme: 'light' },
    look: async (page, url) => {
      await page.goto(`${url}#/models`)
      await page.locator('meter').waitFor()
    },
  },
  'phone-wallet': {
    device: { ...PHONE, colorScheme: 'light' },
    look: async (page, url) => {
      await page.goto(`${url}#/wallet`)
      await page.getByText('Create a phrase').waitFor()
    },
  },
  'desktop-lenders': {
    device: { ...DESKTOP, colorScheme: 'light' },
    look: async (page, url) => {
      await keepKeys(page, url)
      await page.goto(`${url}#/lenders`)
      await page.getByText('Separated by blanks').waitFor()
      await page.getByText('No lenders yet').waitFor()
    },
  },
  'desktop-figures': {
    device: { ...DESKTOP, colorScheme: 'light' },
    look: async (page, url) => {
      await chat(page)
      await page.goto(`${url}#/figures`)
      await page.locator('figure canvas').first().waitFor()
    },
  },
  'desktop-settings': {
    device: { ...DESKTOP, colorScheme: 'dark', locale: 'de' },
    look: async (page, url) => {
      await page.goto(`${url}#/settings`)
      await page.locator('.shortcuts').waitFor()
    },
  },
}

await mkdir(FOLDER, { recursive: true })
await using site = await openAppSite()
for (const [name, { device, look }] of Object.entries(SHOTS)) {
  await using visitor = await site.visitor(device)
  const { page } = visitor
  await page.locator('.offline .icon').waitFor()
  await look?.(page, site.url)
  await writeFile(new URL(`${name}.png`, FOLDER), await page.screenshot({ animations: 'disabled' }))
}

// The dashboard is there where a device serves the app.
await using served = await openServedApp()
const addresses = ['/ip4/192.0.2.7/tcp/4215']
await served.lendSwitch.announce({ models: ['acorn'], addresses, why: null })
const context = await site.browser.newContext({ ...DESKTOP, colorScheme: 'light', locale: 'en' })
const page = await context.newPage()
await page.goto(`${served.url}/#/dashboard`)
await page.getByLabel('Token of the device').fill(served.token)
await page.getByRole('button', { name: 'Unlock' }).click()
await page.locator('.ladder').waitFor()
await page.locator('.card', { hasText: 'acorn' }).first().waitFor()
await writeFile(
  new URL('desktop-dashboard.png', FOLDER),
  await page.screenshot({ animations: 'disabled' }),
)
await context.close()
await served.lendSwitch.leave()
