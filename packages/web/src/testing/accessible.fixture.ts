import axe from 'axe-core'
import type { Page } from 'playwright-core'

/**
 * Looks at a page as it is shown now.
 * @returns rules of axe that it breaks, each with the elements that do
 */
export async function barriersOf(page: Page): Promise<[rule: string, elements: string[]][]> {
  // The policy of the page stays as it is: axe comes in by the developer's door.
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Runtime.evaluate', { expression: axe.source })
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run(),
  )
  await devtools.detach()
  return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])
}
