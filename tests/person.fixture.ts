import { toHex } from '@freehold/core/bytes'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import type { Page } from 'playwright-core'

const PASSPHRASE = 'a long passphrase'

/** What a person does in the app, by what is written on it. */
export function personAt(page: Page) {
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const field = (label: string) => page.getByLabel(label, { exact: false })
  const show = (view: string) =>
    page.evaluate((hash) => {
      location.hash = hash
    }, `#/${view}`)
  return {
    button,
    field,
    show,
    fillChain: async ({ rpc, chainId, house, token }: ChainSettings) => {
      await show('wallet')
      await field('Node (').fill(String(rpc))
      await field('Chain id').fill(String(chainId))
      await field('Clearing house').first().fill(house)
      await field('Token').last().fill(token)
      await button('Save').first().click()
      await page.locator('.notice', { hasText: 'Saved' }).waitFor()
    },
    /** A phrase of their own, encrypted and opened again. @returns the device's key, hex */
    takeKeys: async () => {
      const phrase = createPhrase(systemRandom)
      await show('wallet')
      await button('Enter my phrase').click()
      await field('Phrase (24 words)').fill(phrase)
      await field('Number of this device').fill('0')
      await field('Passphrase for this device').fill(PASSPHRASE)
      await field('once more').fill(PASSPHRASE)
      await button('Encrypt and keep').click()
      // The page is loaded again, and may reach others then.
      await page.waitForFunction(() => 'RTCPeerConnection' in globalThis)
      await page.getByText('they are locked').waitFor()
      await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE)
      await button('Unlock').click()
      await page.getByText('are unlocked').waitFor()
      return toHex((await deriveIdentity(phrase, 0)).device)
    },
  }
}

/** Lets a test say whether the machine of a page charges. Runs before the page does. */
export function pretendBattery(): void {
  const battery = { charging: true }
  Object.assign(globalThis, { battery })
  Object.defineProperty(navigator, 'getBattery', { value: async () => battery })
}
