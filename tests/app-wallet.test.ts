/** A deposit by a wallet of another program in the page: a real key, a real chain, real Chromium. */
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createStandInWallet,
  type StandInWallet,
} from '../packages/node/src/chain/stand-in-wallet.fixture.ts'
import { createTown, type Town } from '../packages/node/src/device/town.fixture.ts'
import { barriersOf } from '../packages/web/src/testing/accessible.fixture.ts'
import {
  type AppSite,
  openAppSite,
  type Visitor,
} from '../packages/web/src/testing/app-site.fixture.ts'

const TEST_MS = 300_000
const PASSPHRASE = 'a long passphrase'
const MINTED = 1_000_000n

let town: Town
let site: AppSite
let visitor: Visitor
let page: Page
let wallet: StandInWallet
const phrase = createPhrase(systemRandom)

beforeAll(async () => {
  town = await createTown()
  wallet = createStandInWallet(town.chain.settings.rpc)
  await town.chain.mint(wallet.address, MINTED)
  await town.chain.fund(wallet.address, '1')
  site = await openAppSite()
  visitor = await site.visitor()
  page = visitor.page
  await page.exposeFunction('askWallet', async (ask: Parameters<typeof wallet.request>[0]) => {
    // An exception would lose its code on the way.
    return wallet.request(ask).then(
      (value) => ({ value }),
      ({ code, message }) => ({ failure: { code, message } }),
    )
  })
  await page.addInitScript(announceWallet)
  await page.goto(`${site.url}#/wallet`)
  await page.reload()
}, TEST_MS)
afterAll(async () => {
  await visitor?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
  await town?.[Symbol.asyncDispose]()
}, TEST_MS)

const button = (name: string) => page.getByRole('button', { name, exact: true })
const field = (label: string) => page.getByLabel(label, { exact: false })
const plan = () => page.locator('.wallet-plan')
const sent = () => wallet.asked.filter(({ method }) => method === 'eth_sendTransaction').length

async function ledger(): Promise<bigint> {
  const { wallet: own } = await deriveIdentity(phrase, 0)
  return (await town.look.balances(own.address)).ledger
}

async function choose(amount: string): Promise<void> {
  await field('Deposit from the other wallet').fill(amount)
  await button('Use Stand-in').click()
}

describe('a wallet of another program', { timeout: TEST_MS }, () => {
  it('default: what will be signed is shown, and the money comes to this device’s account', async () => {
    const { rpc, chainId, house, token } = town.chain.settings
    await field('Node (').fill(rpc)
    await field('Chain id').fill(String(chainId))
    await field('Clearing house').first().fill(house)
    await field('Token').last().fill(token)
    await button('Save').first().click()
    await page.locator('.notice', { hasText: 'Saved' }).waitFor()
    await button('Enter my phrase').click()
    await field('Phrase (24 words)').fill(phrase)
    await field('Number of this device').fill('0')
    await field('Passphrase for this device').fill(PASSPHRASE)
    await field('once more').fill(PASSPHRASE)
    await button('Encrypt and keep').click()
    await page.getByText('they are locked').waitFor()
    await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE)
    await button('Unlock').click()

    // It is somewhere else, and is asked to come here.
    wallet.chainId = 1
    await choose('300 000')
    await plan().waitFor()
    expect(wallet.chainId).toBe(chainId)
    const { wallet: own } = await deriveIdentity(phrase, 0)
    const shown = (await plan().textContent()) ?? ''
    for (const part of ['300,000 units', token, house, String(chainId), wallet.address]) {
      expect(shown).toContain(part)
    }
    expect(shown).toContain(own.address)
    expect(sent()).toBe(0)
    expect(await barriersOf(page)).toEqual([])
    await button('Go on in the wallet').click()
    await page.locator('.notice', { hasText: '300,000 units are in the clearing house' }).waitFor()
    expect(await ledger()).toBe(300_000n)
    expect((await town.look.balances(wallet.address)).wallet).toBe(MINTED - 300_000n)
    expect((await town.look.balances(own.address)).native).toBe(0n)
    await page.locator('#in-ledger', { hasText: '300,000' }).waitFor()
  })

  it('behaviour: a no is a sentence, and what was begun can be finished', async () => {
    wallet.refuses = ['eth_requestAccounts']
    await choose('1000')
    await page.getByText('You refused it in the wallet').waitFor()
    wallet.refuses = []
    const before = sent()
    // No to the second of the two.
    wallet.onAsk = async ({ method }) => {
      if (method !== 'eth_sendTransaction' || sent() < before + 2) return
      throw Object.assign(new Error('no'), { code: 4001 })
    }
    await button('Use Stand-in').click()
    await button('Go on in the wallet').click()
    await page.getByText('You refused it in the wallet').waitFor()
    await plan().getByText('still to be signed').waitFor()
    expect(await ledger()).toBe(300_000n)
    wallet.onAsk = async () => {}
    await button('Finish the deposit').click()
    await page.locator('.notice', { hasText: '1,000 units are in the clearing house' }).waitFor()
    expect(await ledger()).toBe(301_000n)
    expect(sent()).toBe(before + 3)
  })

  it('behaviour: an unknown chain, too little, and no amount are said before anything is signed', async () => {
    const before = sent()
    wallet.chainId = 1
    wallet.knows = [1]
    await choose('1000')
    await page.getByText('does not know chain').waitFor()
    wallet.knows = [1, town.chain.settings.chainId]
    await choose('0')
    await page.getByText('is no amount').waitFor()
    await choose(String(MINTED))
    await button('Go on in the wallet').click()
    await page.getByText('holds too little').waitFor()
    await button('Cancel').click()
    expect(sent()).toBe(before)
    expect(visitor.complaints).toEqual([])
  })
})

/** Runs in the page before the app does, as an extension would. */
function announceWallet(): void {
  type Answer = { value?: unknown; failure?: { code: number; message: string } }
  const { askWallet } = globalThis as unknown as { askWallet: (ask: unknown) => Promise<Answer> }
  const provider = {
    request: async (ask: unknown) => {
      const { value, failure } = await askWallet(ask)
      if (failure !== undefined) throw Object.assign(new Error(failure.message), failure)
      return value
    },
  }
  const info = { uuid: 'b9a2', name: 'Stand-in', icon: 'data:,', rdns: 'test.stand-in' }
  const announce = () => {
    const detail = Object.freeze({ info, provider })
    dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
  }
  addEventListener('eip6963:requestProvider', announce)
  announce()
}
