import { runPageSuites } from '../testing/run-page-suites.fixture.ts'

await runPageSuites({ entry: new URL('indexed-db-storage.page.ts', import.meta.url) })
