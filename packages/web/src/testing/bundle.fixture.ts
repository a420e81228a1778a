import { fileURLToPath } from 'node:url'
import { utf8 } from '@freehold/core/bytes'
import { build } from 'vite'

/** Bundles a page's entry as a site would be. @returns its files by path; the script is `/page.js` */
export async function bundlePage(entry: URL): Promise<Record<string, Uint8Array>> {
  const built = await build({
    root: fileURLToPath(new URL('..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    // The compliance suites run in the page itself.
    resolve: {
      alias: { vitest: fileURLToPath(new URL('page-suite.fixture.ts', import.meta.url)) },
    },
    build: {
      write: false,
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
  if (!('output' in built)) throw new Error('vite gave no bundle')
  return Object.fromEntries(
    built.output.map((file) => {
      const content = file.type === 'chunk' ? file.code : file.source
      return [`/${file.fileName}`, typeof content === 'string' ? utf8(content) : content]
    }),
  )
}
