import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

/** CHROMIUM_PATH: another Chromium than Debian's. */
const PATH = process.env.CHROMIUM_PATH || '/usr/bin/chromium'

/** Loopback only: nothing that Chromium does for itself by default. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-sync',
  '--disable-component-update',
  '--disable-dev-shm-usage',
  '--no-first-run',
]

/**
 * Starts headless Chromium.
 * @param by a program that starts it with its own arguments
 * @throws Error saying how to install it when there is none
 */
export async function launchChromium(by = PATH): Promise<Browser> {
  if (!existsSync(PATH)) {
    throw new Error(
      `there is no Chromium at ${PATH}: install it (Debian: apt-get install chromium), ` +
        'or name another with CHROMIUM_PATH',
    )
  }
  return chromium.launch({ executablePath: by, headless: true, args: FLAGS, timeout: 120_000 })
}
