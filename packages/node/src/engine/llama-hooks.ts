import { registerHooks } from 'node:module'

/** Where a child finds the one CPU variant that it is to load; see `forceCpuVariant`. */
export const FORCED_BINS_ENV = 'FREEHOLD_FORCED_BINS'

/** What the variable holds, as JSON: an answer in place of the package that holds the libraries. */
export interface ForcedBins {
  packageName: string
  packageVersion: string
  binsDir: string
}

const SELF_TEST = '/node-llama-cpp/dist/bindings/utils/testBindingBinary.js'

/**
 * Changes how node-llama-cpp is imported in this process, so call it before. It finds its libraries
 * where `forced` says, and spares itself the test of the CPU build in one more process, which
 * takes half of a start: this process may crash anyway. Should its files lie elsewhere in a later
 * version, the test just runs.
 */
export function hookLlama(forced: ForcedBins | undefined): void {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === forced?.packageName) return inline(binsModule(forced))
      const resolved = nextResolve(specifier, context)
      return resolved.url.endsWith(SELF_TEST) ? inline(selfTestModule(resolved.url)) : resolved
    },
  })
}

function binsModule({ binsDir, packageVersion }: ForcedBins): string {
  return `export const getBinsDir = () => (${JSON.stringify({ binsDir, packageVersion })})`
}

/** GPU builds are still tested, since drivers fail in more ways than one. */
function selfTestModule(url: string): string {
  return `import { testBindingBinary as test } from ${JSON.stringify(`${url}?real`)}
    export const testBindingBinary = async (path, ext, gpu, ...rest) =>
      gpu === false || test(path, ext, gpu, ...rest)`
}

function inline(source: string) {
  const url = `data:text/javascript,${encodeURIComponent(source)}`
  return { url, format: 'module', shortCircuit: true } as const
}
