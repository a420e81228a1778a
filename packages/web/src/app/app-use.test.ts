/** What people do all day with the app, in Chromium: files, versions, search, other senses and scripts. */
import { readFile } from 'node:fs/promises'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Chat } from '../chats/chat.ts'
import { NO_SETTINGS } from '../member/member-settings.ts'
import {
  type AppSite,
  DESKTOP,
  openAppSite,
  PHONE,
  type Visitor,
} from '../testing/app-site.fixture.ts'
import { takeIn } from '../testing/take-in.fixture.ts'
import { preferencesOf } from './preferences.ts'

/** For a machine that does much else at the same time. */
const TEST_MS = 300_000
const VIEWS = ['models', 'lenders', 'wallet', 'egress', 'figures', 'settings']

let site: AppSite
beforeAll(async () => {
  site = await openAppSite()
}, TEST_MS)
afterAll(() => site?.[Symbol.asyncDispose](), TEST_MS)

async function visit(init?: BrowserContextOptions): Promise<Visitor> {
  const visitor = await site.visitor(init)
  visitor.page.setDefaultTimeout(30_000)
  return visitor
}

async function ask(page: Page, text: string): Promise<void> {
  await page.fill('#message', text)
  await page.click('.composer button[type=submit]')
}

const answerOf = (page: Page) => page.locator('.answer').last()
const ended = (page: Page) => page.locator('.answer[aria-busy=false]').last().waitFor()

describe('everyday use', { timeout: TEST_MS }, () => {
  it('default: a file travels with its question as text, and what is no text is refused', async () => {
    await using visitor = await visit()
    const { page } = visitor
    const bytes = (text: string) => ({ mimeType: 'text/plain', buffer: Buffer.from(text) })
    await page.setInputFiles('.composer input[type=file]', [
      { name: 'notes.txt', ...bytes('The hare <b>sleeps</b>.') },
      { name: 'picture.png', mimeType: 'image/png', buffer: Buffer.from([0xff, 0xd8, 0, 1]) },
    ])
    await page.locator('.files li', { hasText: 'notes.txt' }).waitFor()
    await page.locator('.notice', { hasText: 'picture.png' }).waitFor()
    expect(await page.locator('.files li').count()).toBe(1)
    await ask(page, 'Who sleeps?')
    await ended(page)
    expect(await page.locator('.message.person').textContent()).toContain('notes.txt')
    expect(await page.locator('.message.person b').count()).toBe(0)
    await page.click('a[href="#/settings"]')
    const saved = page.waitForEvent('download')
    await page.click('text=Export everything')
    const file = JSON.parse(await readFile(await (await saved).path(), 'utf8'))
    expect(file.chats[0].messages[0].attachments).toEqual([
      { name: 'notes.txt', text: 'The hare <b>sleeps</b>.' },
    ])
  })

  it('default: an edited message is a branch, found by search, and undone when deleted', async () => {
    await using visitor = await visit()
    const { page } = visitor
    await ask(page, 'What is 7 plus 5?')
    await ended(page)
    // From an empty box, by the keyboard alone.
    await page.press('#message', 'ArrowUp')
    const box = page.getByRole('textbox', { name: 'Edit' })
    await box.fill('What is 2 plus 9?')
    await box.press('Enter')
    await page.locator('.versions', { hasText: '2/2' }).first().waitFor()
    await ended(page)
    await page.locator('[aria-label="Previous version"]').first().click()
    await page.locator('.message.person', { hasText: '7 plus 5' }).waitFor()
    await page.locator('[aria-label="Next version"]').first().click()
    await page.locator('.message.person', { hasText: '2 plus 9' }).waitFor()

    await page.click('.new')
    await ask(page, 'Hello')
    await ended(page)
    await page.keyboard.press('Control+k')
    await page.keyboard.type('plus 9')
    await expect.poll(() => page.locator('.chats li').count()).toBe(1)
    await page.locator('.chats li', { hasText: 'plus' }).waitFor()
    await page.click('.chats li button')
    await page.locator('.chats', { hasText: 'Nothing found' }).waitFor()
    await page.fill('#search', '')
    expect(await page.locator('.chats li').count()).toBe(1)
    await page.locator('.notice button', { hasText: 'Undo' }).click()
    await expect.poll(() => page.locator('.chats li').count()).toBe(2)
  })

  it('default: code is shown as it is, and copied by its button', async () => {
    await using visitor = await visit({
      ...DESKTOP,
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    const { page } = visitor
    const code = 'if (a < b) {\n  say("<hare> & drum")\n}'
    const note = { model: 'Acorn', modelId: '', tokens: 1, totalMs: 1 }
    const base = { createdMs: 1, attachments: [], error: null }
    const content = `Look:\n\n\`\`\`js\n${code}\n\`\`\``
    const chat: Chat = {
      ...{ id: 'c', title: 'Code', createdMs: 1, changedMs: 1, system: '', leaf: 'a' },
      messages: [
        { ...base, id: 'q', parent: null, role: 'user', content: 'Code?', state: null, note: null },
        { ...base, id: 'a', parent: 'q', role: 'assistant', content, state: 'done', note },
      ],
    }
    await takeIn(page, { chats: [chat] }, 'Only the chats')
    await page.click('.chats a')
    expect((await page.locator('.code-block code').textContent())?.trim()).toBe(code)
    await page.locator('.code-block button').click()
    const copied = () => page.evaluate(() => navigator.clipboard.readText())
    await expect.poll(async () => (await copied()).trim()).toBe(code)
  })

  it('behaviour: what lies over the page goes away when the person goes on elsewhere', async () => {
    await using visitor = await visit()
    const { page } = visitor
    const scope = page.locator('.scope')
    const isOpen = () => scope.evaluate((details) => (details as HTMLDetailsElement).open)
    for (const goOn of [() => page.focus('#message'), () => page.mouse.click(600, 200)]) {
      await page.click('.scope summary')
      await page.locator('.scope input').first().focus()
      expect(await isOpen()).toBe(true)
      await goOn()
      await expect.poll(isOpen).toBe(false)
    }
  })

  it('behaviour: settings of another device hold when the person says so, and are seen before', async () => {
    await using visitor = await visit()
    const { page } = visitor
    const other = {
      preferences: preferencesOf({ system: 'Answer in verse.', theme: 'dark' }),
      settings: { ...NO_SETTINGS, ceilings: { perRequest: 70_000n, perDay: 900_000n } },
    }
    const system = page.getByRole('textbox', { name: 'System prompt' })
    await takeIn(page, other, 'Only the chats')
    expect(await system.inputValue()).toBe('')
    await takeIn(page, other, 'Cancel')
    await takeIn(page, other, 'Chats and settings')
    await expect.poll(() => system.inputValue()).toBe('Answer in verse.')
    const saved = page.waitForEvent('download')
    await page.click('text=Export everything')
    const file = JSON.parse(await readFile(await (await saved).path(), 'utf8'))
    expect(file.settings.ceilings).toEqual({ perRequest: '70000', perDay: '900000' })
    expect(file.preferences.theme).toBe('dark')
  })

  it('behaviour: an answer is read aloud by sentences, each once', async () => {
    await using visitor = await visit()
    const { page } = visitor
    await page.evaluate(recordLiveRegion)
    await ask(page, 'Tell me a story about a whale.')
    await ended(page)
    const answer = (await answerOf(page).locator('.markdown').textContent()) ?? ''
    const squeezed = (text: string) => text.replaceAll(/\s+/g, '')
    const heardAll = async () => squeezed((await page.evaluate(heard)).join(''))
    await expect.poll(heardAll).toBe(squeezed(answer))
    const parts = await page.evaluate(heard)
    expect(parts.length).toBeGreaterThan(1)
    // A title ends where its line does.
    const lines = (await answerOf(page).locator('.markdown > *').allTextContents()).map(squeezed)
    for (const part of parts.slice(0, -1)) {
      const isLine = lines.some((line) => line.endsWith(squeezed(part)))
      if (!isLine) expect(part.trim()).toMatch(/[.!?…"”’)]$/)
    }
  })

  it('behaviour: nothing moves for whoever asked for less motion', async () => {
    for (const reducedMotion of ['reduce', 'no-preference'] as const) {
      await using visitor = await visit({ ...DESKTOP, reducedMotion })
      const { page } = visitor
      await ask(page, 'Tell me a story about a whale.')
      await page.locator('.answer .cursor, .answer .pulse').first().waitFor()
      const moving = await page.evaluate(() => document.getAnimations().length > 0)
      expect(moving).toBe(reducedMotion === 'no-preference')
    }
  })

  it('behaviour: written from right to left everything is mirrored and fits', async () => {
    for (const device of [PHONE, DESKTOP]) {
      await using visitor = await visit(device)
      const { page } = visitor
      await page.evaluate(() => {
        document.documentElement.dir = 'rtl'
      })
      await ask(page, 'שלום')
      await ended(page)
      const isTooWide = () => document.documentElement.scrollWidth > innerWidth
      expect(await page.evaluate(isTooWide)).toBe(false)
      if (device === DESKTOP) {
        const aside = await page.locator('aside').boundingBox()
        expect((aside?.x ?? 0) + (aside?.width ?? 0)).toBe(1280)
      }
      // A person's words are at the end of the line, which is left now.
      const words = await page.locator('.message.person .words').first().boundingBox()
      const main = await page.locator('main').boundingBox()
      const gap = (words?.x ?? 0) - (main?.x ?? 0)
      expect(gap).toBeLessThan((main?.width ?? 0) / 2)
      for (const view of VIEWS) {
        await page.goto(`${site.url}#/${view}`)
        await page.locator('.page').waitFor()
        expect(await page.evaluate(isTooWide), view).toBe(false)
      }
    }
  })

  it('behaviour: the style sheet knows no left and no right', async () => {
    const css = await readFile(new URL('app.css', import.meta.url), 'utf8')
    const sided =
      /(?:^|[\s;{-])(?:left|right)\s*:|(?:margin|padding|border)-(?:left|right)|(?:text-align|float|clear)\s*:\s*(?:left|right)/gm
    expect(css.match(sided) ?? []).toEqual([])
    expect('a { margin-left: 1px; left: 0; text-align: right }'.match(sided)).toHaveLength(3)
  })
})

/** Runs in the page: keeps what its live region says. */
function recordLiveRegion(): void {
  const said: string[] = []
  Object.assign(globalThis, { said })
  new MutationObserver(() => {
    const text = document.querySelector('[aria-live=polite].visually-hidden')?.textContent ?? ''
    if (text !== '' && text !== said.at(-1)) said.push(text)
  }).observe(document.body, { subtree: true, childList: true, characterData: true })
}

/** Runs in the page. */
function heard(): string[] {
  return (globalThis as unknown as { said: string[] }).said
}
