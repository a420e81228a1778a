import type { Page } from 'playwright-core'

/** Calls a verb of a page and waits for what it gives. */
export type PageCall<Verbs extends PageVerbs<Verbs>> = <Verb extends keyof Verbs>(
  verb: Verb,
  ...args: Parameters<Verbs[Verb]>
) => Promise<Awaited<ReturnType<Verbs[Verb]>>>

type PageVerbs<Verbs> = Record<keyof Verbs, (...args: never[]) => Promise<unknown>>

/** Lets the Node side call the verbs that a page exposes as `testPage`. */
export function callerOf<Verbs extends PageVerbs<Verbs>>(page: Page): PageCall<Verbs> {
  return (verb, ...args) =>
    page.evaluate(
      ([name, given]) => {
        const { testPage } = globalThis as unknown as {
          testPage: Record<string, (...args: unknown[]) => Promise<unknown>>
        }
        return testPage[name as string]?.(...(given as unknown[])) as never
      },
      [verb, args] as const,
    ) as never
}
