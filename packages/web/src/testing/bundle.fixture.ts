import { fileURLToPath } from 'node:url'
import { build } from 'vite'

/** Bundles a page's entry as a site would be, into `folder`; its script is `page.js`. */
export async function bundlePage(entry: URL, folder: string): Promise<void> {
  await build({
    root: fileURLToPath(new URL('..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    // The compliance suites run in the page itself.
    resolve: {
      alias: { vitest: fileURLToPath(new URL('page-suite.fixture.ts', import.meta.url)) },
    },
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'esnext',
      minify: false,
      modulePreload: false,
      assetsInlineLimit: 0,
      rolldownOptions: {
        input: fileURLToPath(entry),
        output: { entryFileNames: 'page.js' },
      },
    },
  })
}
