/**
 * Stands in for vitest where a shared suite runs inside a page: the same `expect`, and as much of
 * `describe` and `it` as the suites use. The Node side lists the cases and runs them one by one.
 */
import { chai, JestAsymmetricMatchers, JestChaiExpect } from '@vitest/expect'

type Work = () => unknown

interface Suite {
  name: string
  parent: Suite | null
  before: Work[]
  after: Work[]
  beforeEach: Work[]
  afterEach: Work[]
  /** Cases in it and below that have not run yet. */
  left: number
  hasBegun: boolean
}

interface Case {
  path: string[]
  run(): Promise<void>
}

/** What the Node side calls. */
export interface PageSuite {
  list(): string[][]
  /** Runs one case, with what its suites want before the first and after the last of theirs. */
  run(index: number): Promise<void>
}

export const expect = (value: unknown) => chai.expect(value)
// Matchers of parts, such as `expect.any`, are hung on chai's own `expect`.
chai.use(JestChaiExpect)
chai.use(JestAsymmetricMatchers)
Object.assign(expect, chai.expect)

const root = newSuite('', null)
const cases: Case[] = []
let current = root

export function describe(name: string, define: () => void): void {
  const outer = current
  current = newSuite(name, outer)
  define()
  current = outer
}

export function it(name: string, work: Work): void {
  const suites = lineOf(current)
  for (const suite of suites) suite.left++
  const path = [...suites.map((suite) => suite.name).filter(Boolean), name]
  cases.push({ path, run: () => runCase(suites, work) })
}

it.runIf = (isWanted: boolean) => (isWanted ? it : () => {})

export const beforeAll = (work: Work) => void current.before.push(work)
export const afterAll = (work: Work) => void current.after.push(work)
export const beforeEach = (work: Work) => void current.beforeEach.push(work)
export const afterEach = (work: Work) => void current.afterEach.push(work)

/** To be called by the page's script once all suites are defined. */
export function exposeSuites(): void {
  const suite: PageSuite = {
    list: () => cases.map(({ path }) => path),
    run: async (index) => cases[index]?.run(),
  }
  Object.assign(globalThis, { testPage: suite })
}

async function runCase(suites: readonly Suite[], work: Work): Promise<void> {
  try {
    for (const suite of suites) {
      if (!suite.hasBegun) for (const before of suite.before) await before()
      suite.hasBegun = true
    }
    try {
      for (const suite of suites) for (const before of suite.beforeEach) await before()
      await work()
    } finally {
      for (const suite of suites.toReversed()) for (const after of suite.afterEach) await after()
    }
  } finally {
    for (const suite of suites.toReversed()) {
      suite.left--
      if (suite.left === 0) for (const after of suite.after) await after()
    }
  }
}

function newSuite(name: string, parent: Suite | null): Suite {
  const lists = { before: [], after: [], beforeEach: [], afterEach: [] }
  return { name, parent, ...lists, left: 0, hasBegun: false }
}

/** A suite and all that it is in, outermost first. */
function lineOf(suite: Suite | null): Suite[] {
  return suite === null ? [] : [...lineOf(suite.parent), suite]
}
