/** The app as people have it: built, served as plain files, in Chromium as phone and desktop. */
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Chat } from '../chats/chat.ts'
import { barriersOf } from '../testing/accessible.fixture.ts'
import { type AppSite, DESKTOP, openAppSite, PHONE } from '../testing/app-site.fixture.ts'
import { takeIn } from '../testing/take-in.fixture.ts'

/** For a machine that does much else at the same time. */
const TEST_MS = 300_000
const STORY = 'Tell me a story about a whale.'

let site: AppSite
beforeAll(async () => {
  site = await openAppSite()
}, TEST_MS)
afterAll(() => site?.[Symbol.asyncDispose](), TEST_MS)

async function ask(page: Page, text: string): Promise<void> {
  await page.fill('#message', text)
  await page.click('button[type=submit]')
}

const answerOf = (page: Page) => page.locator('.answer').last()
const ended = (page: Page) => page.locator('.answer[aria-busy=false]').last().waitFor()
const isReady = (page: Page) => page.locator('.offline .icon').waitFor()
/** Words of an answer that is being written. */
const someWords = (page: Page) =>
  page.waitForFunction(
    () => (document.querySelector('.answer .markdown')?.textContent ?? '').length > 9,
  )

describe('web app', { timeout: TEST_MS }, () => {
  it('default: opens small, answers, and answers again without a network', async () => {
    const sizes = site.built.firstScripts.map(
      (path) => gzipSync(site.built.files.get(path) ?? '').length,
    )
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(120_000)

    await using visitor = await site.visitor(PHONE)
    const { page, complaints, strays } = visitor
    await isReady(page)
    await page.context().setOffline(true)
    await page.reload()
    await ask(page, 'What is 7 plus 5?')
    await ended(page)
    expect(await answerOf(page).locator('.markdown').textContent()).toMatch(/= \d+/)
    expect(await answerOf(page).locator('.mark summary').textContent()).toContain('on this device')
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
    expect([strays, complaints]).toEqual([[], []])
  })

  it('behaviour: Esc stops; what was shown stays, also when the page is loaded again', async () => {
    await using visitor = await site.visitor()
    const { page } = visitor
    await ask(page, STORY)
    await someWords(page)
    await page.keyboard.press('Escape')
    await ended(page)
    expect(await answerOf(page).textContent()).toContain('You stopped')

    await page.click('[aria-label="Answer again"]')
    await page.locator('.answer[aria-busy=true]').waitFor()
    await someWords(page)
    const shown = await page.evaluate(() => {
      const words = document.querySelector('.answer .markdown')?.textContent ?? ''
      location.reload()
      return words
    })
    await page.locator('.state.problem').waitFor()
    const after = await answerOf(page).locator('.markdown').textContent()
    expect(after?.startsWith(shown.trim())).toBe(true)
    expect(await page.locator('.state.problem').textContent()).toContain('was closed')

    // The first answer is still there, as a version.
    await page.click('[aria-label="Previous version"]')
    expect(await answerOf(page).textContent()).toContain('You stopped')
  })

  it('behaviour: two tabs share the chats, and one at a time the model', async () => {
    await using visitor = await site.visitor()
    const { page } = visitor
    await ask(page, STORY)
    await someWords(page)
    const other = await visitor.tab()
    await ask(other, 'What is 7 plus 5?')
    await other.locator('.notice').waitFor()
    expect(await other.locator('.notice').textContent()).toContain('Another tab is writing')
    await other.click('.notice button')
    await ended(other)
    expect(await answerOf(other).locator('.markdown').textContent()).toMatch(/= \d+/)
    await ended(page)
    expect(await answerOf(page).textContent()).toContain('Another tab took the model over')
    expect(await page.locator('.chats li').count()).toBe(2)

    // Idle, it goes back without a question.
    await page.click('[aria-label="Answer again"]')
    await someWords(page)
    expect(await page.locator('.notice').count()).toBe(0)
  })

  it('behaviour: a model that was tampered with is refused, on the way and on the disk', async () => {
    const [path = '', bytes = new Uint8Array()] =
      [...site.built.files].find(([name]) => name.startsWith('models/')) ?? []
    const changed = Uint8Array.from(bytes)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    site.instead.set(path, changed)
    {
      await using visitor = await site.visitor()
      await ask(visitor.page, 'Hello')
      await ended(visitor.page)
      expect(await answerOf(visitor.page).textContent()).toContain('the model was refused')
    }
    site.instead.delete(path)
    await using visitor = await site.visitor()
    const { page } = visitor
    await isReady(page)
    await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory()
      const models = await root.getDirectoryHandle('models')
      for await (const handle of models.values()) {
        const file = await (handle as FileSystemFileHandle).createWritable({
          keepExistingData: true,
        })
        await file.write({ type: 'write', position: 3_000_000, data: new Uint8Array([1, 2, 3]) })
        await file.close()
      }
    })
    await ask(page, 'Hello')
    await ended(page)
    expect(await answerOf(page).textContent()).toContain('the model was refused')

    // The way out that it names.
    await page.click('a[href="#/models"]')
    await page.click('[aria-label="Remove Acorn"]')
    await page.goBack()
    await page.click('[aria-label="Answer again"]')
    await ended(page)
    expect(await answerOf(page).locator('.mark').count()).toBe(1)
  })

  it('behaviour: hostile text does nothing', async () => {
    await using visitor = await site.visitor()
    const { page, strays, complaints } = visitor
    const evil = [
      '<script>globalThis.hacked = 1</script><img src=x onerror="globalThis.hacked = 2">',
      '![look](http://127.0.0.1:9/pixel.png) [go](javascript:globalThis.hacked=3)',
      '<iframe src="http://127.0.0.1:9/"></iframe><style>body { display: none }</style>',
      '[data](data:text/html,<script>1</script>) <a href="//127.0.0.1:9" onclick="hacked=4">x</a>',
      '```html\n<img src=x onerror="globalThis.hacked = 5">\n```',
      '[fine](https://example.com/)',
    ].join('\n\n')
    const note = { model: '<b>x</b>', modelId: '', tokens: 1, totalMs: 1 }
    const base = { createdMs: 1, attachments: [], error: null }
    const chat: Chat = {
      ...{ id: 'evil', title: '<img src=x>', createdMs: 1, changedMs: 1, system: '', leaf: 'a' },
      messages: [
        { ...base, id: 'q', parent: null, role: 'user', content: evil, state: null, note: null },
        { ...base, id: 'a', parent: 'q', role: 'assistant', content: evil, state: 'done', note },
      ],
    }
    await takeIn(page, { chats: [chat] }, 'Only the chats')
    await page.click('.chats a')
    await page.locator('.code-block').waitFor()
    for (const link of await page.locator('.markdown a').all()) {
      expect((await link.getAttribute('href')) ?? 'https:').toMatch(/^https?:/)
    }
    await page.locator('.markdown a', { hasText: 'fine' }).waitFor()
    expect(await page.locator('.markdown :is(img, script, iframe, style)').count()).toBe(0)
    expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false)
    expect([strays, complaints]).toEqual([[], []])

    // What was taken in goes out again as it was.
    await page.click('a[href="#/settings"]')
    const saved = page.waitForEvent('download')
    await page.click('text=Export everything')
    const file = JSON.parse(await readFile(await (await saved).path(), 'utf8'))
    expect(file.chats).toEqual([chat])
  })

  it('behaviour: cleared storage and a full disk are survived', async () => {
    await using visitor = await site.visitor()
    const { page } = visitor
    await isReady(page)
    await ask(page, 'Hello')
    await ended(page)
    const devtools = await page.context().newCDPSession(page)
    const origin = new URL(site.url).origin
    await devtools.send('Storage.clearDataForOrigin', { origin, storageTypes: 'all' })
    await page.goto(site.url)
    await page.reload()
    await isReady(page)
    expect(await page.locator('.chats li').count()).toBe(0)

    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 })
    await page.click('a[href="#/models"]')
    await page.click('[aria-label="Get Acorn small"]')
    expect(await page.locator('.problem').textContent()).toMatch(/not enough room|no more room/)
  })

  it('behaviour: can be installed, and a new version waits until the person agrees', async () => {
    await using visitor = await site.visitor()
    const { page } = visitor
    await isReady(page)
    const devtools = await page.context().newCDPSession(page)
    const { errors, data } = await devtools.send('Page.getAppManifest')
    expect(errors).toEqual([])
    const manifest = JSON.parse(data ?? '{}')
    expect(manifest).toMatchObject({ display: 'standalone', start_url: './' })
    const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors')
    // A window without a profile can install nothing, whatever the page.
    expect(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito')).toEqual([])
    for (const { src, purpose } of manifest.icons) {
      expect(site.built.files.has(src), `${src} (${purpose})`).toBe(true)
    }

    const worker = Buffer.from(site.built.files.get('sw.js') ?? '').toString()
    site.instead.set('sw.js', Buffer.from(`${worker}\n// another version`))
    await page.reload()
    await page.evaluate(async () => (await navigator.serviceWorker.ready).update())
    await page.locator('.notice', { hasText: 'new version' }).waitFor()
    const loaded = page.waitForEvent('load')
    await page.click('.notice button')
    await loaded
    await page.locator('#message').waitFor()
    expect(await page.locator('.notice').count()).toBe(0)
    site.instead.delete('sw.js')
  })

  it.each([
    ['phone', 'light', PHONE],
    ['desktop', 'dark', DESKTOP],
  ] as const)('behaviour: everybody can use it, %s, %s', async (_, colorScheme, device) => {
    await using visitor = await site.visitor({ ...device, colorScheme })
    const { page } = visitor
    const check = async () => expect(await barriersOf(page)).toEqual([])
    await isReady(page)
    await check()
    await page.click('.scope summary')
    await check()
    await page.keyboard.press('Escape')
    await ask(page, 'What is 7 plus 5?')
    await ended(page)
    await page.click('.mark summary')
    await check()
    for (const view of ['models', 'lenders', 'wallet', 'egress', 'figures', 'settings']) {
      await page.goto(`${site.url}#/${view}`)
      await page.locator('.page').waitFor()
      await check()
    }
    await page.selectOption('select', 'de')
    expect(await page.locator('h1').textContent()).toBe('Einstellungen')
    expect(await page.getAttribute('html', 'lang')).toBe('de')
    const isTooWide = () => document.documentElement.scrollWidth > innerWidth
    expect(await page.evaluate(isTooWide)).toBe(false)
  })
})
