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

export interface ChromiumInit {
  /** A program that starts it with its own arguments. */
  by?: string
  /** A film (Y4M) that its camera shows; read when a page opens the camera. @default it has no camera */
  film?: string
}

/**
 * Starts headless Chromium.
 * @throws Error saying how to install it when there is none
 */
export async function launchChromium({ by = PATH, film }: ChromiumInit = {}): Promise<Browser> {
  if (!existsSync(PATH)) {
    throw new Error(
      `there is no Chromium at ${PATH}: install it (Debian: apt-get install chromium), ` +
        'or name another with CHROMIUM_PATH',
    )
  }
  const camera = ['--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${film}`]
  const args = film === undefined ? FLAGS : [...FLAGS, ...camera]
  return chromium.launch({ executablePath: by, headless: true, args, timeout: 120_000 })
}
