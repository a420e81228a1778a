import { gzipSync } from 'node:zlib'
import type { BrowserContextOptions } from 'playwright-core'
import type { AppSite } from '../../packages/web/src/testing/app-site.fixture.ts'
import { median, rounded } from '../median.ts'

/** A page is quiet when no task of its own took 50 ms for this long, as Lighthouse has it. */
const QUIET_MS = 1_000

/** One opening by somebody who was never here. */
interface Opening {
  /** From asking for the page to the first text on it. */
  firstPaintMs: number
  /** From asking for the page to a message box that takes words, after the last long task. */
  interactiveMs: number
  /** Sum of all tasks above 50 ms, less 50 ms each. */
  blockingMs: number
  /** Cumulative layout shift, with what moved while the model was put on the disk. */
  layoutShift: number
}

/** Bytes of script that come before anybody says anything. */
export function firstScriptBytes({ built }: AppSite) {
  const scripts = built.firstScripts.map((path) => built.files.get(path) ?? new Uint8Array())
  return {
    bytes: scripts.reduce((sum, script) => sum + script.length, 0),
    gzipBytes: scripts.reduce((sum, script) => sum + gzipSync(script).length, 0),
  }
}

/** Opens the app so many times, each time with an empty browser. */
export async function measureOpenings(
  site: AppSite,
  init: BrowserContextOptions,
  times: number,
): Promise<Opening> {
  const openings: Opening[] = []
  for (let i = 0; i < times; i++) {
    await using visitor = await site.visitor(init)
    // The model is on the disk: nothing more moves.
    await visitor.page.locator('.offline .icon').waitFor()
    openings.push(await visitor.page.evaluate(readOpening, QUIET_MS))
  }
  const middle = (of: (opening: Opening) => number) => rounded(median(openings.map(of)))
  return {
    firstPaintMs: middle(({ firstPaintMs }) => firstPaintMs),
    interactiveMs: middle(({ interactiveMs }) => interactiveMs),
    blockingMs: middle(({ blockingMs }) => blockingMs),
    layoutShift: Math.max(...openings.map(({ layoutShift }) => layoutShift)),
  }
}

/** What the browser noted of its page since it asked for it. Runs in the page. */
async function readOpening(quietMs: number): Promise<Opening> {
  interface Shift extends PerformanceEntry {
    value: number
    hadRecentInput: boolean
  }
  const noted = (type: string) =>
    new Promise<PerformanceEntry[]>((resolve) => {
      const observer = new PerformanceObserver((list) => resolve(list.getEntries()))
      observer.observe({ type, buffered: true })
      // Where nothing of the kind happened nobody is called.
      setTimeout(() => resolve(observer.takeRecords()), quietMs)
    })
  const [tasks, shifts, paints] = await Promise.all(
    ['longtask', 'layout-shift', 'paint'].map(noted),
  )
  const [shown] = performance.getEntriesByName('app-shown')
  const shownMs = shown?.startTime ?? Number.NaN
  // Tasks that follow a second of quiet belong to what came later.
  let interactiveMs = shownMs
  for (const { startTime, duration } of tasks ?? []) {
    if (startTime - interactiveMs < quietMs) {
      interactiveMs = Math.max(interactiveMs, startTime + duration)
    }
  }
  return {
    firstPaintMs: paints?.find(({ name }) => name === 'first-contentful-paint')?.startTime ?? NaN,
    interactiveMs,
    blockingMs: (tasks ?? []).reduce((sum, { duration }) => sum + Math.max(0, duration - 50), 0),
    layoutShift: ((shifts ?? []) as Shift[])
      .filter(({ hadRecentInput }) => !hadRecentInput)
      .reduce((sum, { value }) => sum + value, 0),
  }
}
