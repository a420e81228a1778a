import type { Page } from 'playwright-core'
import { exportAll, type Portable } from '../app/portable.ts'
import { preferencesOf } from '../app/preferences.ts'
import { NO_SETTINGS } from '../member/member-settings.ts'

/** Takes a file of another device in, on the page Settings. */
export async function takeIn(
  page: Page,
  what: Partial<Portable>,
  choice: 'Only the chats' | 'Chats and settings' | 'Cancel',
): Promise<void> {
  const whole = { chats: [], preferences: preferencesOf({}), settings: NO_SETTINGS, ...what }
  await page.click('a[href="#/settings"]')
  await page.setInputFiles('input[accept*=json]', {
    name: 'freehold.json',
    mimeType: 'application/json',
    buffer: Buffer.from(exportAll(whole)),
  })
  await page.getByRole('button', { name: choice }).click()
}
