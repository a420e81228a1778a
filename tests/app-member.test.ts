/** The app as a member: keys, real lenders on Node over WebSockets, a real chain. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@freehold/core/bytes'
import type { Engine } from '@freehold/core/engine/engine'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { encodeInvitation } from '@freehold/core/wire/invitation'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { meddlingEngine, ownDiceEngine } from '../packages/node/src/demo/cheats.ts'
import {
  createTown,
  DEPOSIT,
  type Town,
  WEB_SOCKETS,
} from '../packages/node/src/device/town.fixture.ts'
import { createLlamaEngine } from '../packages/node/src/engine/llama-engine.ts'
import { BUNDLED } from '../packages/node/src/models/acorn.ts'
import { barriersOf } from '../packages/web/src/testing/accessible.fixture.ts'
import {
  type AppSite,
  openAppSite,
  type Visitor,
} from '../packages/web/src/testing/app-site.fixture.ts'

/** For a machine that does much else at the same time. */
const TEST_MS = 600_000
/** Stories are long, but each may end early: asked until one says enough. */
const MOST_QUESTIONS = 8
const STORY = 'Tell me a story about a hare.'
/** Nobody listens there. */
const NOBODY = 'http://127.0.0.1:9/'
const WS_NOBODY = 'ws://127.0.0.1:9/'
const PASSPHRASE = 'a long passphrase'

let folder: string
let town: Town
let site: AppSite
let visitor: Visitor
let page: Page
let lender: Awaited<ReturnType<Town['lender']>>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-member-'))
  town = await createTown()
  lender = await town.lender({ device: { listen: [WEB_SOCKETS], engine: breakable() } })
  site = await openAppSite()
  visitor = await site.visitor()
  page = visitor.page
}, TEST_MS)
afterAll(async () => {
  await visitor?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
  await town?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}, TEST_MS)

const show = (view: string) => page.click(`.pages a[href="#/${view}"]`)
const button = (name: string) => page.getByRole('button', { name, exact: true })
const field = (label: string) => page.getByLabel(label, { exact: false })
const markOf = () => page.locator('.answer .mark').last()
const peerOf = (one: typeof lender) => peerName(one.device.identity!.device)

async function fillChain(): Promise<void> {
  const { rpc, chainId, house, token } = town.chain.settings
  await field('Node (').fill(String(rpc))
  await field('Chain id').fill(String(chainId))
  await field('Clearing house').fill(house)
  await field('Token').last().fill(token)
  await button('Save').first().click()
  await page.locator('.notice', { hasText: 'Saved' }).waitFor()
}

async function unlock(passphrase = PASSPHRASE): Promise<void> {
  await page.getByLabel('Passphrase', { exact: true }).fill(passphrase)
  await button('Unlock').click()
}

async function addLender(one: typeof lender, where = one.lending.addresses()[0]): Promise<void> {
  await show('lenders')
  await field('Address or invitation').fill(where ?? '')
  await button('Add').click()
  const card = page.locator('.lender', { hasText: peerOf(one) })
  await card.getByLabel('Open a channel with').fill(String(DEPOSIT))
  await card.getByRole('button', { name: 'Open a channel' }).click()
  // Not its price, which is as much for a million tokens.
  await card.getByText('1,000,000 units', { exact: true }).waitFor()
}

/** Asks in a new chat, up to the question whether it may leave. */
async function askFarther(text: string): Promise<void> {
  await page.click('.new')
  await page.fill('#message', text)
  await page.click('.composer button[type=submit]')
  await page.locator('.departure .leaving, .departure .problem').first().waitFor()
}

async function letLeave(): Promise<string> {
  await button('Let it leave').click()
  await page.locator('.departure').waitFor({ state: 'detached' })
  await page.locator('.answer[aria-busy=false]').last().waitFor()
  // Audit and payment go on after the answer.
  await page.locator('.answer .mark:not(.mark-open)').last().waitFor()
  return (await markOf().locator('summary').textContent()) ?? ''
}

describe('the app as a member', { timeout: TEST_MS }, () => {
  const phrase = createPhrase(systemRandom)

  it('default: without keys nothing can leave, not even by a script', async () => {
    await page.click('.scope summary')
    expect(await page.locator('.scope input:disabled').count()).toBe(3)
    expect(await page.evaluate(refusedTo, NOBODY)).toEqual([NOBODY, WS_NOBODY])
    expect(await page.evaluate(() => 'RTCPeerConnection' in globalThis)).toBe(false)
    await page.keyboard.press('Escape')
  })

  it('default: keeps a phrase encrypted, and opens it with its passphrase alone', async () => {
    await show('wallet')
    await fillChain()
    await button('Enter my phrase').click()
    await field('Phrase (24 words)').fill(phrase)
    await field('Number of this device').fill('0')
    await field('Passphrase for this device').fill(PASSPHRASE)
    await field('once more').fill(PASSPHRASE)
    await button('Encrypt and keep').click()
    await page.getByText('they are locked').waitFor()
    // Once the page is loaded again.
    await page.waitForFunction(() => 'RTCPeerConnection' in globalThis)
    // Lenders may be anywhere; what is fetched comes from here and from the chain's node.
    expect(await page.evaluate(refusedTo, NOBODY)).toEqual([NOBODY])
    const stored = await page.evaluate(everythingStored)
    for (const word of phrase.split(' ').filter(({ length }) => length > 5)) {
      expect(stored).not.toContain(word)
    }

    await unlock('another passphrase')
    await page.getByText('the passphrase is wrong').waitFor()
    expect(await button('Unlock').isEnabled()).toBe(true)
    await unlock()
    await page.getByText('are unlocked').waitFor()
    const { wallet } = await deriveIdentity(phrase, 0)
    await town.chain.mint(wallet.address, 5n * DEPOSIT)
    await button('Look again').click()
    await page.locator('#in-wallet', { hasText: '5,000,000' }).waitFor()
    expect(await page.locator('.page').textContent()).toContain(wallet.address)
    expect(await barriersOf(page)).toEqual([])
  })

  it('default: borrows, shows what leaves before it does, pays and audits', async () => {
    await addLender(lender)
    expect(await barriersOf(page)).toEqual([])
    await page.click('.new')
    await page.click('.scope summary')
    await page.check('.scope input[value=market]')
    let mark = ''
    for (let i = 0; i < MOST_QUESTIONS && !mark.includes('passed'); i++) {
      await askFarther(i === 0 ? `${STORY} Write to hare@example.com.` : STORY)
      const shown = await page.locator('.departure').textContent()
      expect(shown).toContain(peerOf(lender))
      expect(shown).toContain(STORY)
      // Asked once, and kept.
      expect(await page.locator('.departure fieldset').count()).toBe(i === 0 ? 1 : 0)
      if (i === 0) {
        expect(shown).toContain('[MAIL_1]')
        expect(shown).not.toContain('hare@example.com')
        await field('One answer at most').fill('2000')
        await field('A day at most').fill('1000000')
        expect(await barriersOf(page)).toEqual([])
      }
      mark = await letLeave()
      expect(mark).toContain('borrowed')
      expect(mark).not.toContain('failed')
    }
    expect(mark).toContain('audit passed')
    const rows = (await lender.device.tables.channels.list()).map(([, row]) => row)
    expect(rows.some(({ cumulative }) => cumulative > 0n)).toBe(true)
  })

  it('default: shows what was made where, what it cost, and how far audits were off', async () => {
    await show('figures')
    const rowOf = (name: string) => page.locator('figure', { hasText: name }).locator('tbody')
    await page.getByText('As a table').first().click()
    const tokens = await rowOf('Tokens by where they were made').locator('td').allTextContents()
    expect(Number(tokens[0]?.replace(',', ''))).toBe(0)
    expect(Number(tokens[3]?.replace(',', ''))).toBeGreaterThan(0)
    expect(await rowOf('Mean margin of each audit').textContent()).toMatch(/0(\.\d+)?$/)
    await field('What a million tokens cost elsewhere').fill('90 000 000')
    await page.locator('figure', { hasText: 'Saved against' }).waitFor()
    expect(await page.locator('#all-saved').textContent()).toMatch(/^[1-9][\d,]* units$/)
    // Something was drawn.
    expect(await page.locator('figure canvas').first().evaluate(inkOf)).toBeGreaterThan(500)
    const download = page.waitForEvent('download')
    await button('Save as CSV').click()
    expect((await download).suggestedFilename()).toMatch(/^freehold-figures-.*\.csv$/)
    expect(await barriersOf(page)).toEqual([])
    await page.goBack()
  })

  it('behaviour: a page that is loaded again is locked, and keeps receipts and log', async () => {
    await page.reload()
    await markOf().locator('summary').click()
    const mark = markOf()
    await mark.getByText('An audit replayed the answer').waitFor()
    await mark.getByText(/units, paid/).waitFor()
    expect(await mark.textContent()).toContain(peerOf(lender))
    expect(await mark.textContent()).toMatch(/Tokens replayed\d+/)
    expect(await barriersOf(page)).toEqual([])
    await show('egress')
    await page.getByText(/^Entries: [1-9]\d*. Each fits the one before/).waitFor()
    for (const said of ['mail × 1', peerOf(lender)]) {
      expect(await page.locator('.page').textContent()).toContain(said)
    }
    expect(await barriersOf(page)).toEqual([])
    await page.click('.new')
    await page.click('.scope summary')
    expect(await page.locator('.scope input:disabled').count()).toBe(3)
    await page.keyboard.press('Escape')
  })

  it('behaviour: a changed log is noticed', async () => {
    const change = (why: string) => page.evaluate(rewriteFirstDeparture, why)
    const before = await change('nothing of importance')
    await show('egress')
    await page.getByText('Entry 1 does not fit').waitFor()
    await change(before)
    await button('Verify').click()
    await page.getByText('each fits the one before').waitFor()
  })

  it('behaviour: secrets stay here, unless they are let through by name', async () => {
    await show('wallet')
    await unlock()
    await page.getByText('are unlocked').waitFor()
    await page.click('.new')
    await page.click('.scope summary')
    await page.check('.scope input[value=market]')
    await askFarther('My password: correct-Horse-7-battery')
    expect(await page.locator('.departure').textContent()).toContain('secrets do not travel')
    expect(await button('Let it leave').isEnabled()).toBe(false)
    const before = (await lender.device.tables.lent.list()).length
    await button('Answer here instead').click()
    await page.locator('.answer[aria-busy=false]').last().waitFor()
    expect(await markOf().locator('summary').textContent()).toContain('on this device')
    expect((await lender.device.tables.lent.list()).length).toBe(before)
  })

  it('behaviour: another lender goes on where one breaks off, and each part is shown', async () => {
    const second = await town.lender({ device: { listen: [WEB_SOCKETS], engine: breakable() } })
    await addLender(second)
    const peers = [lender, second].map(peerOf)
    await askFarther(STORY)
    // Whoever is asked first.
    breaksNext = true
    await letLeave()
    await markOf().locator('summary').click()
    await markOf().locator('.card').nth(1).waitFor()
    const parts = await markOf().locator('.card').allTextContents()
    expect(parts).toHaveLength(2)
    expect(parts[0]).toContain('broke off')
    expect(parts[1]).toContain('whole')
    const order = peers.map((peer) => parts.findIndex((text) => text.includes(peer)))
    expect(new Set(order)).toEqual(new Set([0, 1]))
  })

  it('behaviour: borrows by an invitation what is not here, and audits once the model is', async () => {
    const own = join(folder, 'other.gguf')
    // Another model by its digest, although it says the same.
    await writeFile(own, Buffer.concat([await readFile(BUNDLED.acorn ?? ''), Buffer.alloc(32)]))
    const other = await town.lender({ device: { listen: [WEB_SOCKETS] }, models: [own] })
    const { device } = other.device.identity!
    const addresses = other.lending.addresses()
    const link = encodeInvitation({ device, addresses, name: null, expiresAtMs: null })
    await addLender(other, link)
    await askFarther(STORY)
    const models = page.getByRole('combobox', { name: /^Model/ })
    const ids = await models
      .locator('option')
      .evaluateAll((all) => all.map((one) => (one as HTMLOptionElement).value))
    const { models: offered } = await other.lending.offer()
    const meant = toHex(offered[0]!.modelId)
    expect(ids).toContain(meant)
    await models.selectOption(meant)
    await page.locator('.departure li', { hasText: peerOf(other) }).waitFor()
    expect(await letLeave()).toContain('not audited')
    await show('models')
    await page.setInputFiles('input[accept=".gguf"]', own)
    await page.locator('.card', { hasText: 'other' }).waitFor()
    await page.goBack()
    await markOf().locator('summary').click()
    await button('Audit now').click()
    await markOf()
      .getByText(/Tokens replayed/)
      .waitFor()
    expect(await markOf().textContent()).toMatch(/Tokens replayed[1-9]\d*/)
    expect(await button('Audit now').count()).toBe(0)
  })

  it('behaviour: a lender that throws its own dice is caught, shown, and not asked again', async () => {
    const engine = ownDiceEngine(createLlamaEngine(), Math.random)
    const cheat = await town.lender({ device: { listen: [WEB_SOCKETS], engine } })
    await addLender(cheat)
    let mark = ''
    for (let i = 0; i < MOST_QUESTIONS && !mark.includes('failed'); i++) {
      await askFarther(STORY)
      const found = `${mark}; ${await page.locator('.departure').textContent()}`
      const offered = await page.getByLabel('Whom to ask').locator('option').allTextContents()
      expect(offered, found).toContain(peerOf(cheat))
      await page.getByLabel('Whom to ask').selectOption({ label: peerOf(cheat) })
      mark = await letLeave()
    }
    expect(mark).toContain('audit failed')
    await markOf().locator('summary').click()
    await markOf().getByText('An audit failed').waitFor()
    await markOf()
      .getByText(/were withheld/)
      .waitFor()
    await askFarther(STORY)
    const barred = page.locator('.departure .muted', { hasText: peerOf(cheat) })
    expect(await barred.textContent()).toContain('failed audits')
    await button('Cancel').click()
  })

  it('behaviour: forgotten keys are gone, and the page talks to nobody again', async () => {
    await show('wallet')
    await button('Forget the keys').click()
    const loaded = page.waitForEvent('load')
    await button('Yes, forget the keys').click()
    await loaded
    await button('Create a phrase').waitFor()
    expect(await page.evaluate(refusedTo, NOBODY)).toEqual([NOBODY, WS_NOBODY])
    await button('Create a phrase').click()
    await page.locator('.phrase li').nth(23).waitFor()
    const words = await page.locator('.phrase li').allTextContents()
    expect(words.length).toBe(24)
    expect(await barriersOf(page)).toEqual([])
    await button('I wrote them down').click()
    await field('Word 3').fill(words[2] ?? '')
    await field('Word 11').fill('zebra')
    await field('Word 20').fill(words[19] ?? '')
    await field('Passphrase for this device').fill(PASSPHRASE)
    await field('once more').fill(PASSPHRASE)
    await button('Encrypt and keep').click()
    await page.getByText('not the words of the phrase').waitFor()
    expect(await page.evaluate(everythingStored)).not.toContain('"deviceIndex"')
  })

  it('behaviour: pages complain of nothing but what they were made to try', () => {
    expect(visitor.complaints.filter((line) => !line.includes('127.0.0.1:9/'))).toEqual([])
    const hosts = visitor.strays.map((url) => new URL(url).origin)
    const allowed = [new URL(String(town.chain.settings.rpc)).origin, new URL(NOBODY).origin]
    expect(hosts.filter((host) => !allowed.includes(host))).toEqual([])
  })
})

/** Tries to connect. Runs in the page. @returns what its policy refused */
async function refusedTo(http: string): Promise<string[]> {
  const refused: string[] = []
  const note = ({ blockedURI }: SecurityPolicyViolationEvent) => refused.push(blockedURI)
  document.addEventListener('securitypolicyviolation', note)
  await fetch(http).catch(() => {})
  await new Promise<void>((resolve) => {
    try {
      const socket = new WebSocket(http.replace('http', 'ws'))
      socket.onerror = () => resolve()
    } catch {
      resolve()
    }
  })
  // The event of a refusal comes in a task of its own.
  await new Promise((resolve) => setTimeout(resolve))
  document.removeEventListener('securitypolicyviolation', note)
  return [...new Set(refused)]
}

let breaksNext = false

/** Fails after twelve tokens of an answer for which `breaksNext` was set. */
function breakable(): Engine {
  return meddlingEngine(createLlamaEngine(), () => {
    let left = breaksNext ? 12 : Number.POSITIVE_INFINITY
    breaksNext = false
    return (top) => {
      if (left-- > 0) return top
      throw new Error('the memory is gone')
    }
  })
}

/** Pixels of a drawing that are not empty. Runs in the page. */
function inkOf(canvas: HTMLElement | SVGElement): number {
  const { width, height } = canvas as HTMLCanvasElement
  const data = (canvas as HTMLCanvasElement)
    .getContext('2d')
    ?.getImageData(0, 0, width, height).data
  return data?.filter((value, i) => i % 4 === 3 && value > 0).length ?? 0
}

/** All that the page keeps, as text. Runs in the page. */
async function everythingStored(): Promise<string> {
  const texts = [JSON.stringify(localStorage)]
  for (const { name = '' } of await indexedDB.databases()) {
    const db = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open(name)
      request.onsuccess = () => resolve(request.result)
    })
    const rows = await new Promise<unknown[]>((resolve) => {
      const request = db.transaction('rows').objectStore('rows').getAll()
      request.onsuccess = () => resolve(request.result)
    })
    db.close()
    texts.push(
      JSON.stringify(rows, (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    )
  }
  return texts.join('\n')
}

/** Runs in the page. @returns what stood there */
async function rewriteFirstDeparture(why: string): Promise<string> {
  const db = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open('freehold-device')
    request.onsuccess = () => resolve(request.result)
  })
  const rows = db.transaction('rows', 'readwrite').objectStore('rows')
  const key = ['egress', '0'.repeat(12)]
  return new Promise((resolve) => {
    const read = rows.get(key)
    read.onsuccess = () => {
      const row = read.result as { why: string }
      const write = rows.put({ ...row, why }, key)
      write.onsuccess = () => {
        db.close()
        resolve(row.why)
      }
    }
  })
}
