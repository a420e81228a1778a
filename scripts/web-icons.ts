import { readFile, writeFile } from 'node:fs/promises'
import { launchChromium } from '../packages/web/src/testing/chromium.fixture.ts'

/** Draws the app's icons from `icon.svg`. Masks may cut everything but the middle four fifths. */
const FOLDER = new URL('../packages/web/public/icons/', import.meta.url)
const ICONS = {
  'icon-192.png': { size: 192, isMaskable: false },
  'icon-512.png': { size: 512, isMaskable: false },
  'maskable-192.png': { size: 192, isMaskable: true },
  'maskable-512.png': { size: 512, isMaskable: true },
  'touch-180.png': { size: 180, isMaskable: true },
}

const svg = await readFile(new URL('icon.svg', FOLDER), 'utf8')
const browser = await launchChromium()
try {
  for (const [name, { size, isMaskable }] of Object.entries(ICONS)) {
    const page = await browser.newPage({ viewport: { width: size, height: size } })
    const drawn = isMaskable ? svg.replace('rx="112"', '') : svg
    await page.setContent(`<style>body{margin:0}svg{display:block}</style>${drawn}`)
    await writeFile(new URL(name, FOLDER), await page.screenshot({ omitBackground: true }))
    await page.close()
  }
} finally {
  await browser.close()
}
