import { mkdir, writeFile } from 'node:fs/promises'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { DESKTOP, openAppSite, PHONE } from '../packages/web/src/testing/app-site.fixture.ts'

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
