import { mkdir, writeFile } from 'node:fs/promises'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { createTown, DEPOSIT, WEB_SOCKETS } from '../packages/node/src/device/town.fixture.ts'
import { createLlamaEngine } from '../packages/node/src/engine/llama-engine.ts'
import {
  DESKTOP,
  openAppSite,
  PHONE,
  type Visitor,
} from '../packages/web/src/testing/app-site.fixture.ts'
import { personAt } from '../tests/person.fixture.ts'
import { openServedApp } from '../tests/served-app.fixture.ts'

/**
 * Shows each main view of the web app as it is: `docs/images/`. Real answers of the bundled model, from this page and
 * from a lender that is paid on a chain of this machine.
 */
const FOLDER = new URL('../docs/images/', import.meta.url)
const MOST_QUESTIONS = 8

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
  'phone-wallet': {
    device: { ...PHONE, colorScheme: 'light' },
    look: async (page, url) => {
      await page.goto(`${url}#/wallet`)
      await page.getByText('Create a phrase').waitFor()
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

async function keep(page: Page, name: string): Promise<void> {
  await writeFile(new URL(`${name}.png`, FOLDER), await page.screenshot({ animations: 'disabled' }))
}

await mkdir(FOLDER, { recursive: true })
await using site = await openAppSite()
for (const [name, { device, look }] of Object.entries(SHOTS)) {
  await using visitor = await site.visitor(device)
  const { page } = visitor
  await page.locator('.offline .icon').waitFor()
  await look?.(page, site.url)
  await keep(page, name)
}

// What is borrowed, on a phone and on a desk.
await using town = await createTown()
await using lender = await town.lender({
  device: { listen: [WEB_SOCKETS], engine: createLlamaEngine() },
})

/** Somebody with keys and a channel to that lender, on the page Lenders. */
async function openMember(device: BrowserContextOptions): Promise<Visitor> {
  const visitor = await site.visitor({ ...device, colorScheme: 'light' })
  const { page } = visitor
  const { show, fillChain, takeKeys, button, field } = personAt(page)
  await fillChain(town.chain.settings)
  await takeKeys()
  const account = await page.locator('.facts code').first().textContent()
  await town.chain.mint(account as `0x${string}`, 5n * DEPOSIT)
  await show('lenders')
  await field('Address or invitation').fill(lender.lending.addresses()[0] ?? '')
  await button('Add').click()
  await field('Open a channel with').fill(String(DEPOSIT))
  await button('Open a channel').click()
  const left = `${DEPOSIT.toLocaleString('en')} units`
  await page.getByText(left, { exact: true }).first().waitFor()
  return visitor
}

/** Asks the market in a new chat, up to the question whether it may leave and for how much. */
async function askMarket(page: Page): Promise<void> {
  await personAt(page).show('')
  await page.click('.scope summary')
  await page.check('.scope input[value=market]')
  await askFarther(page)
  await personAt(page).field('One answer at most').fill('2000')
  await personAt(page).field('A day at most').fill('1000000')
}

async function askFarther(page: Page): Promise<void> {
  await page.fill('#message', 'Tell me a story about a hare. My mail is hare@example.com.')
  await page.click('.composer button[type=submit]')
  await page.locator('.departure .leaving').waitFor()
}

{
  await using phone = await openMember(PHONE)
  await askMarket(phone.page)
  await keep(phone.page, 'phone-departure')
}
{
  await using desk = await openMember(DESKTOP)
  const { page } = desk
  const { show, button } = personAt(page)
  await keep(page, 'desktop-lenders')
  await askMarket(page)
  // Stories may be too short for a verdict.
  for (let i = 0; i < MOST_QUESTIONS; i++) {
    if (i > 0) await askFarther(page)
    await button('Let it leave').click()
    await page.locator('.departure').waitFor({ state: 'detached' })
    await page.locator('.answer .mark:not(.mark-open)').nth(i).waitFor()
    if (await page.locator('.mark', { hasText: 'audit passed' }).count()) break
  }
  await page.locator('.mark summary').last().click()
  await keep(page, 'desktop-receipt')
  await show('egress')
  await page.locator('.cards .facts').first().waitFor()
  await keep(page, 'desktop-egress')
  await show('figures')
  await page.locator('figure canvas').first().waitFor()
  await keep(page, 'desktop-figures')
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
await page.locator('button:enabled', { hasText: 'Look again' }).first().waitFor()
await keep(page, 'desktop-dashboard')
await context.close()
await served.lendSwitch.leave()
