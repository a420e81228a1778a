import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { fromHex } from '@freehold/core/bytes'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../packages/node/src/config.ts'
import { writeVaultFile } from '../packages/node/src/storage/vault-file.ts'
import { barriersOf } from '../packages/web/src/testing/accessible.fixture.ts'
import {
  type AppSite,
  openAppSite,
  PHONE,
  type Visitor,
} from '../packages/web/src/testing/app-site.fixture.ts'
import { filmOf } from '../packages/web/src/testing/film.fixture.ts'
import { personAt } from './person.fixture.ts'

/** For a machine that does much else at the same time. */
const TEST_MS = 300_000
const MAIN = fileURLToPath(new URL('../packages/node/src/cli/main.ts', import.meta.url))
const PASSPHRASE = 'correct horse battery staple'
/** What loopback has instead of the WebRTC of a real network: `npm run netns`. */
const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0/ws']

let folder: string
/** What the phone's camera shows. */
let film: string
let site: AppSite
let visitor: Visitor
let page: Page
let person: ReturnType<typeof personAt>
const commands: Command[] = []

/** The laptop: its own processes, as a person starts them. */
interface Command {
  child: ChildProcess
  /** The next line that is such an event. */
  event(name: string): Promise<Record<string, unknown>>
  says(line: string): void
  end(): Promise<void>
}

function freehold(...args: string[]): Command {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args, '--json'], {
    env: {
      ...process.env,
      FREEHOLD_HOME: join(folder, 'laptop'),
      FREEHOLD_PASSPHRASE: PASSPHRASE,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr?.on('data', (data) => {
    errors += data
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const ended = once(child, 'close')
  const command: Command = {
    child,
    event: async (name) => {
      for (;;) {
        const { value, done } = await lines.next()
        if (done) throw new Error(`${args[0]} ended: ${errors}`)
        const said = JSON.parse(value)
        if (said.event === name) return said
      }
    },
    says: (line) => child.stdin?.write(`${line}\n`),
    end: async () => {
      child.kill('SIGINT')
      await ended
    },
  }
  commands.push(command)
  return command
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-app-pairing-'))
  const home = join(folder, 'laptop')
  await mkdir(home)
  await writeVaultFile(pathsOf({ home }).vault, createPhrase(systemRandom), PASSPHRASE)
  film = join(folder, 'film.y4m')
  await writeFile(film, filmOf(null))
  site = await openAppSite({ film })
  visitor = await site.visitor(PHONE)
  page = visitor.page
  person = personAt(page)
}, TEST_MS)
afterAll(async () => {
  await Promise.all(commands.map((command) => command.end()))
  await visitor?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}, TEST_MS)

/** Brings what the laptop shows into the app, up to where both show words. */
async function begin(as: string, name: string, bring = openLink) {
  const pairing = freehold('pair', '--as', as, '--name', name, '--app', site.url, ...LISTEN)
  const { link } = await pairing.event('code')
  await bring(String(link))
  await expect.poll(() => person.field('Pairing link').inputValue()).toBe(link)
  expect(new URL(page.url()).hash).toBe('#/lenders')
  await person.field('What you call it').fill('laptop')
  await person.button('Pair').click()
  const { words } = await pairing.event('words')
  const shown = await page.locator('.pair-words').textContent()
  expect(shown?.split(' · ')).toEqual(words)
  return pairing
}

/** As a phone's own camera opens it. */
async function openLink(link: string): Promise<void> {
  await page.evaluate((address) => location.assign(address), link)
}

/** With the app's camera, which first sees something else. */
async function scan(link: string): Promise<void> {
  await page.goto(`${site.url}#/lenders`)
  await writeFile(film, filmOf('https://example.com/'))
  await person.button('Scan the code').click()
  await page.locator('.scanner', { hasText: 'no pairing link' }).waitFor()
  await person.button('Cancel').click()
  await writeFile(film, filmOf(link))
  await person.button('Scan the code').click()
  await page.locator('.scanner').waitFor({ state: 'detached' })
}

describe('the app beside its owner’s other device', { timeout: TEST_MS }, () => {
  let lend: Command
  let serve: Command
  let api: string

  beforeAll(async () => {
    lend = freehold('lend', 'acorn', '--to', 'own', ...LISTEN)
    await lend.event('lending')
    serve = freehold('serve', '--port', '0', '--scope', 'own', ...LISTEN)
    api = String((await serve.event('listening')).url)
    await person.takeKeys()
  }, TEST_MS)

  it('behaviour: words that differ end it, and nothing is kept', async () => {
    const pairing = await begin('own', 'phone')
    await person.button('They differ').click()
    await expect(pairing.event('paired')).rejects.toThrow('pair ended')
    await page.locator('.problem').first().waitFor()
    await page.getByText('No lenders yet').waitFor()
    expect(await page.getByRole('heading', { name: 'laptop', exact: true }).count()).toBe(0)
  })

  it('behaviour: a page that may not use the camera says so', async () => {
    await page.goto(`${site.url}#/lenders`)
    await person.button('Scan the code').click()
    await page.locator('.problem', { hasText: 'may not use the camera' }).waitFor()
    expect(await barriersOf(page)).toEqual([])
    await person.button('Cancel').click()
  })

  it('behaviour: the app reads the code with the camera itself', async () => {
    await page.context().grantPermissions(['camera'])
    const pairing = await begin('own', 'phone', scan)
    // It looks no longer than it must.
    expect(await page.locator('video').count()).toBe(0)
    await person.button('They differ').click()
    await expect(pairing.event('paired')).rejects.toThrow('pair ended')
  })

  it('default: a code and three words make it the owner’s, and its model answers', async () => {
    const pairing = await begin('own', 'phone')
    pairing.says('yes')
    await person.button('They are the same').click()
    const { device, isMutual } = await pairing.event('paired')
    expect(isMutual).toBe(true)
    await page.getByText('laptop is paired.').waitFor()
    await page.getByRole('heading', { name: 'laptop', exact: true }).waitFor()
    expect(await barriersOf(page)).toEqual([])

    await person.button('Look again').click()
    const card = page.locator('.lender')
    await card.getByText('My devices').waitFor()
    await card.getByText('free').waitFor()

    await person.show('')
    await page.click('.scope summary')
    await page.check('.scope input[value=own]')
    await page.fill('#message', 'Tell me a story about a hare.')
    await page.click('.composer button[type=submit]')
    await person.button('Let it leave').click()
    const { borrower } = await lend.event('answer')
    expect(peerName(fromHex(String(borrower)))).toBe(device)
    await page.locator('.answer[aria-busy=false]').last().waitFor()
    const mark = page.locator('.answer .mark').last()
    await expect.poll(() => mark.locator('summary').textContent()).toContain('from my other device')
  })

  it('default: the phone lends while its tab is open, and the laptop asks it', async () => {
    await person.show('lenders')
    await person.button('Lend').click()
    await page.getByText('Lending.', { exact: true }).waitFor()
    const asked = {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-freehold-scope': 'own',
        'x-freehold-via': 'peer',
      },
      body: JSON.stringify({
        model: 'acorn',
        max_tokens: 24,
        messages: [{ role: 'user', content: 'Tell me a story.' }],
      }),
    }
    const ask = async () => {
      const response = await fetch(`${api}/v1/chat/completions`, asked)
      expect(response.status).toBe(200)
      await response.text()
      return response.headers.get('x-freehold-receipt')
    }
    // It is known once it came and was asked what it offers; until then the laptop answers by itself.
    await expect.poll(ask, { timeout: 60_000, interval: 500 }).toMatch(/^[0-9a-f]{32}$/)
    await person.button('Stop lending').click()
    // Until then the device is being closed.
    await expect.poll(() => person.button('Lend').isEnabled()).toBe(true)
    expect(await ask()).toBeNull()
  })

  it('behaviour: once removed, it is a stranger’s device', async () => {
    await person.button('Remove laptop').click()
    await expect.poll(() => page.getByRole('heading', { name: 'laptop' }).count()).toBe(0)
    await person.button('Look again').click()
    await expect.poll(() => page.locator('.lender').getByText('My devices').count()).toBe(0)
  })

  it('behaviour: pages complain of nothing', () => {
    expect(visitor.complaints).toEqual([])
    expect(visitor.strays).toEqual([])
  })
})
