import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { EngineError } from '@freehold/core/errors'

/** Where the CPU build of llama.cpp lies that node-llama-cpp would load here. */
export interface LlamaBins {
  /** Its npm package, such as `@node-llama-cpp/linux-x64`. */
  readonly packageName: string
  readonly packageVersion: string
  readonly folder: string
  /** Release of llama.cpp, such as `v0.5.0`. */
  readonly release: string
  /** File names in the folder. */
  readonly files: readonly string[]
}

const PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'linux-arm': 'linux-armv7l',
  'linux-riscv64': 'linux-riscv64',
  'darwin-arm64': 'mac-arm64-metal',
  'darwin-x64': 'mac-x64',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
}

/**
 * Finds the libraries that node-llama-cpp ships for this platform.
 * @throws EngineError when there are none
 */
export async function findLlamaBins(): Promise<LlamaBins> {
  const name = PACKAGES[`${process.platform}-${process.arch}`]
  const packageName = `@node-llama-cpp/${name}`
  try {
    // The package belongs to node-llama-cpp, so it is looked for from there.
    const library = createRequire(import.meta.url).resolve('node-llama-cpp')
    const entry = createRequire(library).resolve(packageName)
    const bins = (await import(pathToFileURL(entry).href)) as {
      getBinsDir: () => { binsDir: string; packageVersion: string }
    }
    const { binsDir, packageVersion } = bins.getBinsDir()
    const [folderName] = await readdir(binsDir)
    const folder = join(binsDir, folderName ?? '')
    const metadata = await readFile(join(folder, '_nlcBuildMetadata.json'), 'utf8')
    const release: unknown = JSON.parse(metadata)?.buildOptions?.llamaCpp?.release
    if (typeof release !== 'string') throw new Error('the build does not say its release')
    return { packageName, packageVersion, folder, release, files: await readdir(folder) }
  } catch (cause) {
    throw new EngineError({
      what: `llama.cpp has no libraries for ${process.platform} on ${process.arch}`,
      why: cause instanceof Error ? cause.message : String(cause),
      next: `Install ${packageName}; npm does so unless optional dependencies are left out.`,
      cause,
    })
  }
}
