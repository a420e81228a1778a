import { afterAll, describe, it } from 'vitest'
import type { PageSuite } from './page-suite.fixture.ts'
import { openTestPage, type TestPageInit } from './test-page.fixture.ts'

/** For a machine that does much else at the same time. */
const CASE_MS = 300_000

type Exposed = { testPage: PageSuite }

interface Case {
  index: number
  /** Names of its suites from the outermost on, then its own. */
  path: readonly string[]
}

/** Opens a page that exposes suites and reports each of their cases as a test of this file. */
export async function runPageSuites(init: TestPageInit): Promise<void> {
  const test = await openTestPage(init)
  afterAll(() => test[Symbol.asyncDispose]())
  const run = (index: number) =>
    test.page.evaluate((at) => (globalThis as unknown as Exposed).testPage.run(at), index)
  const paths = await test.page.evaluate(() => (globalThis as unknown as Exposed).testPage.list())
  define(
    paths.map((path, index) => ({ path, index })),
    run,
  )
}

/** Defines cases in their order, those of one suite together. */
function define(cases: readonly Case[], run: (index: number) => Promise<void>): void {
  for (let at = 0; at < cases.length; ) {
    const [name = '', ...inner] = cases[at]?.path ?? []
    let end = at + 1
    while (inner.length > 0 && cases[end]?.path[0] === name) end++
    const group = cases.slice(at, end).map(({ path, index }) => ({ path: path.slice(1), index }))
    if (inner.length > 0) describe(name, () => define(group, run))
    else for (const { index } of group) it(name, { timeout: CASE_MS }, () => run(index))
    at = end
  }
}
